//! Examples, as every `--help` ends with them. Lines end before column 80, so that no terminal breaks one.

pub(super) const MAIN: &str = "\
EXAMPLES
  trimtab demo                            the main job on an embedded market
  trimtab check examples/btc-trend.toml   what is wrong with a policy
  trimtab backtest examples/btc-trend.toml --tape btc.tape --out runs/oct
  trimtab explain runs/oct --at 2025-10-10T21:20:00Z

Each command has examples of its own: `trimtab check --help`.";

pub(super) const DEMO: &str = "\
EXAMPLES
  trimtab demo                            writes trimtab-demo/
  trimtab demo --seed 11                  another market
  trimtab demo --out my-demo --json       results for a program";

pub(super) const INIT: &str = "\
EXAMPLES
  trimtab init my-desk
  trimtab check my-desk/policy.toml";

pub(super) const CHECK: &str = "\
EXAMPLES
  trimtab check examples/btc-trend.toml
  trimtab check --explain P014            what a code means
  trimtab check policy.toml --json        findings for an editor, one a line

Exit code 2 if the policy has errors; warnings alone leave it 0.";

pub(super) const IMPORT: &str = "\
EXAMPLES
  trimtab import bars btc.parquet --instrument binance:BTCUSDT-PERP \\
      --labelled open -o btc.tape
  trimtab import funding funding.csv --instrument binance:BTCUSDT-PERP \\
      --rate-unit percent -o funding.tape
  trimtab import series daily.csv --column dvol --name dvol.btc \\
      --unit percent --lag 1d -o dvol.tape";

pub(super) const IMPORT_BARS: &str = "\
EXAMPLES
  trimtab import bars btc.parquet --instrument binance:BTCUSDT-PERP \\
      --labelled open -o btc.tape
  trimtab import bars old.csv --instrument okx:BTCUSDT-PERP --lot 0.01 \\
      --labelled close -o okx.tape
  trimtab import bars dirty.parquet --instrument binance:ETHUSDT-PERP \\
      --labelled open --repair widen -o eth.tape

Impossible rows refuse the file, by number; gaps and identical duplicates are
counted. The unit of a time column is judged by magnitude, never by its name.";

pub(super) const IMPORT_FUNDING: &str = "\
EXAMPLES
  trimtab import funding funding.csv --instrument binance:BTCUSDT-PERP \\
      --rate-unit percent -o funding.tape
  trimtab import funding hl.parquet --instrument hyperliquid:BTCUSDC-PERP \\
      --rate-unit fraction --interval 1h -o hl.tape";

pub(super) const IMPORT_SERIES: &str = "\
EXAMPLES
  trimtab import series daily.csv --column dvol --name dvol.btc \\
      --unit percent --lag 1d -o dvol.tape

A daily index stamped with its day's start is known a day later: `--lag 1d`
keeps a backtest from knowing it earlier.";

pub(super) const TAPE: &str = "\
EXAMPLES
  trimtab tape info btc.tape";

pub(super) const TAPE_INFO: &str = "\
EXAMPLES
  trimtab tape info btc.tape
  trimtab tape info btc.tape funding.tape dvol.tape
  trimtab tape info btc.tape --verbose    source, options and hashes too";

pub(super) const BACKTEST: &str = "\
EXAMPLES
  trimtab backtest examples/btc-trend.toml --tape btc.tape \\
      --tape funding.tape --tape dvol.tape --out runs/oct
  trimtab backtest policy.toml --tape btc.tape --out runs/oct --force
  trimtab backtest policy.toml --tape btc.tape --out runs/oct --json

The run folder is written beside its place and renamed when it is complete: a
folder that exists is whole.";

pub(super) const EXPLAIN: &str = "\
EXAMPLES
  trimtab explain runs/oct --at 2025-10-10T21:20:00Z
  trimtab explain runs/oct --at '2025-10-10 21:20:00' --verbose
  trimtab explain runs/oct --at 2025-10-10 --json";

pub(super) const REPLAY: &str = "\
EXAMPLES
  trimtab replay runs/oct --verify

Exit code 1 if a stored fill, plan or input differs from what the recipe gives.";

pub(super) const REPORT: &str = "\
EXAMPLES
  trimtab report runs/oct -o oct.html
  trimtab report runs/oct -o oct.html --force";

pub(super) const PLAN: &str = "\
EXAMPLES
  trimtab plan examples/btc-trend.toml --state examples/state.json
  trimtab plan examples/btc-trend.toml --state examples/state.json --json

The state is a portfolio as JSON (schema trimtab.portfolio/1): accounts,
instruments, series, positions, and the facts that indicators would have found
in history. Decimals are text or plain numbers.";

pub(super) const COMPLETIONS: &str = "\
EXAMPLES
  trimtab completions bash > ~/.local/share/bash-completion/completions/trimtab
  trimtab completions zsh > ~/.zfunc/_trimtab
  trimtab completions fish > ~/.config/fish/completions/trimtab.fish";

pub(super) const MAN: &str = "\
EXAMPLES
  trimtab man | man -l -
  trimtab man --out ~/.local/share/man/man1";

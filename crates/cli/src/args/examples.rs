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
  trimtab check --schema > policy.schema.json
  trimtab check policy.toml --json        findings for an editor, one a line
  trimtab check policy.toml --set size.target=60% --verbose
  cat policy.toml | trimtab check -       from standard input

Exit code 2 if the policy has errors; warnings alone leave it 0.";

pub(super) const FACTS: &str = "\
EXAMPLES
  trimtab facts                           all, with their units
  trimtab facts campaign                  those of the open campaign
  trimtab facts margin.ratio --verbose    its source and its age
  trimtab facts --json                    for an editor";

pub(super) const FMT: &str = "\
EXAMPLES
  trimtab fmt policy.toml
  trimtab fmt --check policies/*.toml     for a pre-commit hook
  trimtab fmt - < policy.toml             for an editor
  trimtab fmt --migrate policy.toml       from an older version of the language

Exit code 1 if `--check` found a policy that would change.";

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
  trimtab import bars BTCUSDT-5m-2025-10.zip --labelled open \\
      --instrument binance:BTCUSDT-PERP -o oct.tape
  trimtab import bars spot.csv --instrument binance:BTCUSDT-SPOT \\
      --labelled open -o spot.tape
  trimtab import bars future.csv --instrument kraken:BTCUSD-240628 \\
      --kind inverse --expiry 2024-06-28T15:00:00Z --tick 0.5 --lot 1 \\
      --labelled open -o future.tape
  trimtab import bars jan.csv --instrument binance:BTCUSDT-PERP \\
      --labelled open --time-column when --volume-column coins -o jan.tape
  trimtab import bars feb.csv --instrument binance:BTCUSDT-PERP \\
      --labelled open --columns jan.tape.columns.toml -o feb.tape

A symbol says what it names: a perpetual (-PERP, -PERPETUAL, -SWAP), a dated
future (-240628, -27DEC24), a spot pair (-SPOT or nothing); docs/symbols.md.
Impossible rows refuse the file, by number; gaps and identical duplicates are
counted. The unit of a time column is judged by magnitude, never by its name.
Which columns you named is saved beside the tape, for the next file like it.";

pub(super) const IMPORT_FUNDING: &str = "\
EXAMPLES
  trimtab import funding funding.csv --instrument binance:BTCUSDT-PERP \\
      --rate-unit percent -o funding.tape
  trimtab import funding hl.parquet --instrument hyperliquid:BTCUSDC-PERP \\
      --rate-unit fraction --interval 1h -o hl.tape
  trimtab import funding deribit.csv --instrument deribit:BTC-PERPETUAL \\
      --rate-unit fraction --rate-column interest_1h -o deribit.tape";

pub(super) const IMPORT_OPTIONS: &str = "\
EXAMPLES
  trimtab import options BTC_2026-01.parquet -o btc.tape
  trimtab import options deribit_options_chain_2020-06-07.csv.gz -o day.tape
  trimtab import options tickers.parquet --repair sort -o tickers.tape

The columns of Tardis (`options_chain`), of Deribit's book summaries, tickers
and order books, and of end-of-day chains are known by their names. Several
files become one tape with `trimtab tape merge`.";

pub(super) const IMPORT_MARKS: &str = "\
EXAMPLES
  trimtab import marks term_futures_marks.parquet -o futures.tape
  trimtab import marks perpetual_futures_prices.parquet -o perpetuals.tape
  trimtab import marks btc.csv --instrument deribit:BTC-PERPETUAL \\
      --price-column mark -o btc.tape";

pub(super) const IMPORT_SERIES: &str = "\
EXAMPLES
  trimtab import series daily.csv --column dvol --name dvol.btc \\
      --unit percent --lag 1d -o dvol.tape

A daily index stamped with its day's start is known a day later: `--lag 1d`
keeps a backtest from knowing it earlier.";

pub(super) const TAPE: &str = "\
EXAMPLES
  trimtab tape info btc.tape
  trimtab tape head btc.tape
  trimtab tape check btc.tape funding.tape";

pub(super) const TAPE_HEAD: &str = "\
EXAMPLES
  trimtab tape head btc.tape
  trimtab tape head btc.tape -n 50 --from 2025-10-10T21:00:00Z
  trimtab tape head btc.tape --csv        decimals as they were recorded";

pub(super) const TAPE_CAT: &str = "\
EXAMPLES
  trimtab tape cat btc.tape --from 2025-10-10 --to 2025-10-11
  trimtab tape cat btc.tape --csv > btc.csv
  trimtab tape cat btc.tape --json | head -n 3

Times are when a row was received: a bar at its close. `--to` itself is left
out, so that days follow each other.";

pub(super) const TAPE_MERGE: &str = "\
EXAMPLES
  trimtab tape merge oct.tape nov.tape -o autumn.tape
  trimtab tape merge btc.tape funding.tape dvol.tape -o all.tape
  trimtab tape merge year.tape --from 2025-10-01 --to 2025-11-01 -o oct.tape

The merged tape keeps the names and hashes of its parts. Parts that tell the
same thing twice are refused; nothing is chosen for you.";

pub(super) const TAPE_CHECK: &str = "\
EXAMPLES
  trimtab tape check btc.tape
  trimtab tape check oct.tape nov.tape    do they follow each other?
  trimtab tape check btc.tape --no-gaps   for a recording that must be whole

Exit code 1 if a tape is damaged, tells something twice, or has prices off its
grid; gaps are told and leave it 0 without `--no-gaps`.";

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
  trimtab backtest policy.toml --tape btc.tape --out runs/oct --ablation
  trimtab backtest policy.toml --set size.target=60% --set caps.leverage=2
  trimtab backtest policy.toml            tapes and folder from trimtab.toml

The run folder is written beside its place and renamed when it is complete: a
folder that exists is whole.";

pub(super) const SWEEP: &str = "\
EXAMPLES
  trimtab sweep examples/btc-trend.toml --set size.target=40%,60%,80% \\
      --set stop.initial=2N,3N,4N --tape btc.tape --tape funding.tape \\
      --tape dvol.tape --out sweeps/stops
  trimtab sweep policy.toml --set trade.buffer=0%,5%,10% --tape btc.tape \\
      --out sweeps/buffer --by return --split 60%

Keys are those of the policy, `section.key`; an entry of a list is
`caps.drawdown.0.at`. The last part of the time does not rank: it shows what
came of the ranking. The deflated Sharpe ratio is the probability that the
ranked one is more than the luck of so many trials.";

pub(super) const SURFACE: &str = "\
EXAMPLES
  trimtab surface btc-options.tape --at 2026-01-15T12:00:00Z
  trimtab surface btc.tape eth.tape --underlying ETH
  trimtab surface btc-options.tape --plot surface.svg
  trimtab surface btc-options.tape --json

Volatilities come of bid and ask alone, never of the venue's marks. Exit code 1
if there is no surface, or one with arbitrage.";

pub(super) const COMPARE: &str = "\
EXAMPLES
  trimtab compare runs/oct runs/oct-no-ladder
  trimtab compare runs/a runs/b runs/c -o abc.html --plot abc.svg
  trimtab compare runs/a runs/b --json

Runs over different times or tapes are compared with a warning.";

pub(super) const EXPLAIN: &str = "\
EXAMPLES
  trimtab explain runs/oct --at 2025-10-10T21:20:00Z
  trimtab explain runs/oct --at '2025-10-10 21:20:00' --verbose
  trimtab explain runs/oct --at 2025-10-10T21:20:00Z --against 2025-10-10
  trimtab explain runs/oct --at 2025-10-10 --json";

pub(super) const NEXT: &str = "\
EXAMPLES
  trimtab next runs/oct                   at the run's end
  trimtab next runs/oct --at 2025-10-10T21:20:00Z
  trimtab next runs/oct --what-if price=65000 --what-if dvol.btc=80%
  trimtab next runs/oct --set caps.leverage=2.2
  trimtab next examples/btc-trend.toml --state examples/state.json
  trimtab next runs/oct --json

Found by asking copies of the engine, with one thing changed at a time: the
next bar closes elsewhere, time passes at the same price, a series moves.";

pub(super) const REPLAY: &str = "\
EXAMPLES
  trimtab replay runs/oct --verify

Exit code 1 if a stored fill, plan or input differs from what the recipe gives.";

pub(super) const AUDIT: &str = "\
EXAMPLES
  trimtab audit runs/oct
  trimtab audit runs/oct --verbose
  trimtab audit runs/oct --json

Exit code 1 if anything does not hold: each finding names the check, the row,
order and plan, and what was expected. docs/audit.md lists the checks.";

pub(super) const REPORT: &str = "\
EXAMPLES
  trimtab report runs/oct -o oct.html
  trimtab report runs/oct -o oct.html --force
  trimtab report runs/oct --plot oct.svg";

pub(super) const PLAN: &str = "\
EXAMPLES
  trimtab plan examples/btc-trend.toml --state examples/state.json
  trimtab plan examples/btc-trend.toml --state examples/state.json --json

The state is a portfolio as JSON (schema trimtab.portfolio/3): accounts,
instruments, series, positions, and the facts that indicators would have found
in history. Decimals are text or plain numbers.";

pub(super) const CONFIG: &str = "\
EXAMPLES
  trimtab config                          which file, which values, from where
  trimtab config --verbose                with flag and variable of each
  trimtab config --color never --json     a flag goes before all else

A flag goes before the environment, that before the project file, that before
the default. The project file is the nearest trimtab.toml of this folder and
those above it, or what --config or TRIMTAB_CONFIG names:

  tapes = [\"btc.tape\", \"funding.tape\"]   # relative to the file
  runs = \"runs\"
  [log]
  level = \"info\"";

pub(super) const COMPLETIONS: &str = "\
EXAMPLES
  trimtab completions bash > ~/.local/share/bash-completion/completions/trimtab
  trimtab completions zsh > ~/.zfunc/_trimtab
  trimtab completions fish > ~/.config/fish/completions/trimtab.fish";

pub(super) const MAN: &str = "\
EXAMPLES
  trimtab man | man -l -
  trimtab man --out ~/.local/share/man/man1
  trimtab man --markdown --out docs/commands";

//! Properties of reading and printing as a whole. The wording of findings is tested in `tests/bad.rs`.

use super::parse;
use super::schema::{LISTS, SECTIONS};
use crate::print::to_toml;
use crate::program::{CompileError, Program};
use crate::spec::{AccountTerms, Backtest, Deposit, MAX_AGE, Policy, Resize, SizeKind, VolatilitySource};
use crate::testing::{FAMILIES, families, policies, portfolios};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const EXAMPLE: &str = include_str!("../../../../examples/btc-trend.toml");
const COVERED_CALL: &str = include_str!("../../../../examples/covered-call.toml");
const HEDGED_STRANGLE: &str = include_str!("../../../../examples/hedged-strangle.toml");
const SHORT_STRANGLE: &str = include_str!("../../../../examples/short-strangle.toml");
const IMPLIED_VOL_TARGET: &str = include_str!("../../../../examples/implied-vol-target.toml");
const PORTFOLIO: &str = include_str!("../../../../examples/portfolio.toml");

#[test]
fn the_example_is_read_and_printed() {
    let parsed = parse(EXAMPLE);
    assert_eq!(parsed.diagnostics, []);
    let policy = parsed.policy.unwrap();
    assert_eq!(policy.series(), ["dvol.btc"]);
    assert_eq!(policy.pyramid.as_ref().unwrap().shares, [0.4, 0.3, 0.2, 0.1]);
    assert_eq!(policy.backtest, Backtest::default());
    assert_eq!(parsed.rules, 9);
    assert_eq!(to_toml(&policy), include_str!("../../tests/canonical/btc-trend.toml"));
}

#[test]
fn the_portfolio_is_read_and_printed() {
    let parsed = parse(PORTFOLIO);
    assert_eq!(parsed.diagnostics, []);
    let policy = parsed.policy.unwrap();
    assert_eq!(policy.series(), ["dvol.btc", "dvol.eth"]);
    assert_eq!((policy.accounts.len(), policy.backtest.flows.len(), policy.adopt.len()), (2, 2, 1));
    assert_eq!(policy.backtest.taker_fee.to_string(), "0.0005");
    assert_eq!(to_toml(&policy), include_str!("../../tests/canonical/portfolio.toml"));
}

/// Without a finding; and what is printed is read as the same policy.
#[test]
fn the_examples_with_options_are_read_and_printed() {
    for text in [COVERED_CALL, HEDGED_STRANGLE, SHORT_STRANGLE, IMPLIED_VOL_TARGET] {
        let parsed = parse(text);
        assert_eq!(parsed.diagnostics, []);
        let policy = parsed.policy.unwrap();
        // Printed, every key is there, those without effect too.
        assert_eq!(parse(&to_toml(&policy)).policy, Some(policy));
    }
    let legs = |text: &str| parse(text).policy.unwrap().structure.map(|structure| structure.legs.len());
    assert_eq!([COVERED_CALL, SHORT_STRANGLE, IMPLIED_VOL_TARGET].map(legs), [Some(1), Some(2), None]);
    assert_eq!(parse(IMPLIED_VOL_TARGET).policy.unwrap().series(), ["iv.atm(BTC, 30d)", "dvol.btc"]);
}

#[test]
fn the_smallest_policy_has_the_documented_defaults() {
    let text = "policy = 1\nname = 'x'\ninstrument = 'binance:BTCUSDT-PERP'\n\
                [signal]\nkind = 'constant'\nstrength = 1\n\
                [size]\nkind = 'volatility_target'\ntarget = '60%'\nvolatility = 'series(dvol.btc)'\n";
    let policy = parse(text).policy.unwrap();
    let source = VolatilitySource::Series { name: "dvol.btc".to_owned(), max_age: MAX_AGE };
    assert!(matches!(&policy.size.kind, SizeKind::VolatilityTarget { sources, .. } if sources[..] == [source]));
    assert_eq!(policy.size.resize, Resize::Continuous);
    assert_eq!(policy.backtest, Backtest::default());
    let with_units = format!("{text}[unit]\nn = 'atr(20, 1d)'\n[pyramid]\nunits = 3\nstep = '1N'\n");
    let policy = parse(&with_units).policy.unwrap();
    assert_eq!(policy.size.resize, Resize::Entry);
    assert_eq!(policy.pyramid.unwrap().shares, [1.0 / 3.0; 3]);
}

/// The manual has a row for each key, in the table of its section.
#[test]
fn the_manual_names_every_key() {
    let manual = include_str!("../../../../docs/policy-language.md");
    let chapters: Vec<_> = manual.split("\n## ").collect();
    let sections = SECTIONS.iter().map(|(name, keys)| (format!("`[{name}]`"), keys));
    for (section, keys) in sections.chain(LISTS.iter().map(|(name, keys)| (format!("`[[{name}]]`"), keys))) {
        let chapter = chapters.iter().find(|chapter| chapter.starts_with(&section)).unwrap();
        let named: Vec<_> = chapter.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next()).collect();
        for key in *keys {
            assert!(named.iter().any(|cell| cell.contains(&format!("`{key}`"))), "{section}.{key}");
        }
    }
}

/// One account, and what its deposit is in: told by the symbol, or as the policy says where a contract may be inverse.
#[test]
fn a_deposit_alone_is_the_account_of_the_first_instrument() {
    let text = |symbol: &str, deposit: &str| {
        format!(
            "policy = 1\nname = 'x'\ninstrument = '{symbol}'\n[signal]\nkind = 'constant'\nstrength = 1\n\
             [size]\nkind = 'fixed_fraction'\nfraction = 1\n[backtest]\ndeposit = '{deposit}'\n"
        )
    };
    for (symbol, deposit, venue, currency) in [
        ("binance:BTCUSDT-PERP", "5 USDT", "binance", None),
        ("binance:BTCUSDT", "5", "binance", None),
        ("deribit:BTC-PERPETUAL", "5 BTC", "deribit", Some("BTC")),
        ("cryptocompare:ETHUSD-PERP", "5 USD", "cryptocompare", Some("USD")),
        ("deribit:BTC-27DEC24", "5", "deribit", None),
        ("hyperliquid:BTC-PERP", "5 USDC", "hyperliquid", Some("USDC")),
    ] {
        let policy = parse(&text(symbol, deposit)).policy.unwrap();
        let deposit = Deposit { amount: "5".parse().unwrap(), currency: currency.map(str::to_owned) };
        let expected = AccountTerms { venue: venue.to_owned(), numeraire: None, deposits: vec![deposit] };
        assert_eq!(policy.account_terms(), [expected], "{symbol}");
    }
    for (symbol, deposit) in
        [("deribit:BTC-PERPETUAL", "5 ETH"), ("binance:BTCUSD-PERP", "5 USDT"), ("binance:BTCUSDT", "5 BTC")]
    {
        assert_eq!(parse(&text(symbol, deposit)).diagnostics[0].code.name(), "P013", "{symbol}");
    }
}

/// Series by base currency are the ones that a hand would write for each instrument, in the order of instruments.
#[test]
fn a_placeholder_is_filled_for_each_instrument() {
    let text = "policy = 1\nname = 'x'\ninstruments = ['binance:BTCUSDT-PERP', 'deribit:ETH-PERPETUAL', 'binance:ETHUSDT']\n\
                [[accounts]]\nvenue = 'binance'\ndeposit = '1 USDT'\n[[accounts]]\nvenue = 'deribit'\ndeposit = '1 BTC'\n\
                [signal]\nkind = 'series'\nseries = 'signal.{base}.{base}'\n\
                [size]\nkind = 'volatility_target'\ntarget = '60%'\n\
                volatility = ['series(dvol.{base})', 'series(dvol.btc)']\n";
    let policy = parse(text).policy.unwrap();
    assert_eq!(policy.series_of("deribit:ETH-PERPETUAL"), ["signal.eth.eth", "dvol.eth", "dvol.btc"]);
    assert_eq!(policy.series(), ["signal.btc.btc", "dvol.btc", "signal.eth.eth", "dvol.eth"]);
    let known = ["signal.btc.btc", "dvol.btc", "signal.eth.eth", "dvol.eth"];
    let series = |name: &str| known.iter().position(|known| *known == name).map(|at| units::SeriesId(at as u32));
    for instrument in &policy.instruments {
        assert!(Program::compile(&policy, instrument, &series).is_ok(), "{instrument}");
        assert!(Program::twin(&policy, instrument, &series).is_ok(), "{instrument}");
    }
    let without = |name: &str| series(name).filter(|id| id.0 != 3);
    let missing = Program::compile(&policy, &policy.instruments[1], &without).err();
    assert_eq!(missing, Some(CompileError::UnknownSeries("dvol.eth".to_owned())));
}

#[test]
fn a_policy_cut_short_anywhere_is_read_without_a_panic() {
    for text in [EXAMPLE, PORTFOLIO] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            well_formed(&text[..end]);
        }
    }
}

#[test]
fn a_text_too_long_is_refused_unread() {
    let parsed = parse(&"# comment\n".repeat(200_000));
    let codes: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect();
    assert_eq!(codes, ["P009"]);
}

#[test]
fn findings_beyond_a_hundred_are_counted_only() {
    let parsed = parse(&"x y\n".repeat(1_000));
    assert_eq!(parsed.diagnostics.len(), 101);
    assert_eq!(parsed.diagnostics[100].message, "900 more findings are not shown");
}

/// A line of a million errors took minutes once: each error looked for the ends of its line.
#[test]
fn a_hostile_line_is_answered_at_once() {
    for piece in [",", "\u{1}", "x y,", "]"] {
        let line = format!("a = [{}", piece.repeat(1_000_000 / piece.len()));
        assert!(parse(&line).errors() > 0);
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    for (open, close) in [("[", "]"), ("{a=", "}"), ("\"f(", ")\""), ("a.", "")] {
        for depth in [100, 10_000] {
            well_formed(&format!("x = {}1{}", open.repeat(depth), close.repeat(depth)));
            well_formed(&format!("[{}1{}]", open.repeat(depth), close.repeat(depth)));
        }
    }
}

/// Random policies cover what they are for: each family in a tenth of them, three families or more in half.
#[test]
fn random_policies_cover_the_rule_families() {
    let mut runner = TestRunner::deterministic();
    let found: Vec<_> = (0..1_000).map(|_| families(&policies().new_tree(&mut runner).unwrap().current())).collect();
    for family in FAMILIES {
        let share = found.iter().filter(|families| families.contains(&family)).count();
        assert!(share >= 100, "{family} in {share} of 1000");
    }
    let rich = found.iter().filter(|families| families.len() >= 3).count();
    assert!(rich >= 500, "three families in {rich} of 1000");
}

#[test]
fn random_portfolios_cover_what_a_portfolio_has() {
    let mut runner = TestRunner::deterministic();
    let found: Vec<_> = (0..1_000).map(|_| portfolios().new_tree(&mut runner).unwrap().current()).collect();
    let share = |what: &str, has: &dyn Fn(&Policy) -> bool| {
        let share = found.iter().filter(|policy| has(policy)).count();
        assert!((100..1_000).contains(&share), "{what} in {share} of 1000");
    };
    share("several instruments", &|policy| policy.instruments.len() > 1);
    share("accounts", &|policy| !policy.accounts.is_empty());
    share("several currencies", &|policy| policy.accounts.iter().any(|account| account.deposits.len() > 1));
    share("a currency that the symbol does not tell", &|policy| policy.backtest.deposit_currency.is_some());
    share("flows", &|policy| !policy.backtest.flows.is_empty());
    share("fee tiers", &|policy| policy.backtest.fee_tiers.len() > 1);
    share("adopted positions", &|policy| !policy.adopt.is_empty());
    share("series by base currency", &|policy| policy.declared_series().iter().any(|name| name.contains("{base}")));
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(policy in prop_oneof![policies(), portfolios()]) {
        let text = to_toml(&policy);
        let parsed = parse(&text);
        prop_assert_eq!(parsed.errors(), 0, "{:?}\n{}", parsed.diagnostics, text);
        let read = parsed.policy.unwrap();
        prop_assert_eq!(&read, &policy);
        prop_assert_eq!(to_toml(&read), text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        well_formed(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_toml_like_text_makes_it_panic(text in "([a-z]{1,3}|[\\[\\]{}=\",'.#]|\\n|\"\"\"|[0-9]{1,3}|é| ){0,60}") {
        well_formed(&text);
    }

    /// Pieces of the example moved, dropped and doubled: nearer to real slips than random bytes.
    #[test]
    fn no_mutation_makes_it_panic(
        example in prop_oneof![Just(EXAMPLE), Just(PORTFOLIO)],
        edits in prop::collection::vec((0..PORTFOLIO.len(), 0..40usize, "[ -~é\\n]{0,3}"), 1..6),
    ) {
        let mut text = example.to_owned();
        for (at, length, put) in edits {
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let end = (at + length..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
            text.replace_range(at..end, &put);
        }
        well_formed(&text);
    }
}

/// Whatever the text: places lie in it, everything can be shown, and a policy comes out exactly if there is no error.
fn well_formed(text: &str) {
    let parsed = parse(text);
    assert_eq!(parsed.policy.is_some(), parsed.errors() == 0, "{text:?}");
    for diagnostic in &parsed.diagnostics {
        assert!(text.get(diagnostic.span.clone()).is_some(), "{diagnostic:?} in {text:?}");
        assert!(diagnostic.help.is_some(), "{diagnostic:?}");
        assert!(!diagnostic.render_plain("x.toml", text).is_empty());
    }
    if let Some(policy) = parsed.policy {
        assert_eq!(parse(&to_toml(&policy)).policy, Some(policy));
    }
}

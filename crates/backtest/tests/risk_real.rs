//! Value at risk on recorded markets: how often losses were over it, and what the tests of coverage say. Hours and days of BTC and ETH over
//! years, and books of options every six hours of 2026.
//!
//! A part of it; all of it with `TRIMTAB_LONG=1`, which takes minutes: `cargo xtask test --long -p trimtab-backtest -- risk_real` prints
//! the tables of docs/value-at-risk.md. What a test finds must be what the page says, row by row, and of all of it each row must be found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod common;

use backtest::portfolio::{HistoryRequest, MarketHistory, Vols};
use common::shared;
use import::{BarsRequest, Labelled, OptionsRequest};
use market::{Currency, Event, Instrument, InstrumentKind};
use pricing::garch::{FitError, Innovations, Model};
use pricing::options::{Simd, total_deviation};
use pricing::surface::{SmilePoint as SmileMark, SmileQuotes, Surface};
use risk::coverage::{Coverage, Period, acerbi_szekely, christoffersen, clustering_power, shortfall_power};
use risk::greeks::SmilePoint;
use risk::scenario::{Holding, Portfolio, Settlement};
use risk::value_at_risk::{
    Book, ByGreeks, Dynamics, Figures, Forecast, History, Law, Moves, Paths, Tails, ValueAtRiskError,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use units::math::{ln, sqrt};
use units::show::{Style, count};
use units::{Duration, OptionRight, Price, Qty, Round, Timestamp};

const LEVELS: [f64; 2] = [0.95, 0.99];
const EWMA: Forecast = Forecast::Exponential(0.94);

const fn model(asymmetric: bool, innovations: Innovations) -> Forecast {
    Forecast::Fitted(Model { asymmetric, innovations, mean: false })
}

fn is_long() -> bool {
    std::env::var_os("TRIMTAB_LONG").is_some()
}

/// docs/value-at-risk.md.
struct Page {
    /// Rows of its tables, first cells that are left empty filled from above; whether each was found.
    rows: RefCell<Vec<(String, bool)>>,
    wrong: RefCell<Vec<String>>,
}

impl Page {
    const TEXT: &'static str = include_str!("../../../docs/value-at-risk.md");

    fn new() -> Self {
        let mut first = String::new();
        let rows = Self::TEXT.lines().filter_map(|line| line.strip_prefix("| ")).map(|line| {
            let (cell, rest) = line.split_once('|').unwrap();
            if !cell.trim().is_empty() {
                cell.trim().clone_into(&mut first);
            }
            (format!("| {first} |{rest}"), false)
        });
        Self { rows: RefCell::new(rows.collect()), wrong: RefCell::default() }
    }

    /// Prints a row that was found. One of the same first two cells on the page must be the same, and where all is asked for there must be
    /// one.
    fn found(&self, row: &str) {
        println!("{row}");
        let of = |row: &str| row.split('|').take(3).map(str::trim).collect::<Vec<_>>().join("|");
        let mut rows = self.rows.borrow_mut();
        match rows.iter_mut().find(|(own, _)| of(own) == of(row)) {
            Some((own, is_found)) => {
                *is_found = true;
                if own != row {
                    self.wrong.borrow_mut().push(format!("the page says  {own}\nand it is      {row}"));
                }
            }
            None if is_long() => self.wrong.borrow_mut().push(format!("the page has no row {row}")),
            None => {}
        }
    }

    /// What must stand on the page, wherever its lines break.
    fn says(&self, words: &str) {
        println!("{words}");
        let text: Vec<&str> = Self::TEXT.split_whitespace().collect();
        if !text.join(" ").contains(words) {
            self.wrong.borrow_mut().push(format!("the page does not say: {words}"));
        }
    }

    /// Nothing that differs, and of all that was asked for no row that was not found: those whose first cell has one of these words.
    fn end(self, of: &[&str]) {
        let mut wrong = self.wrong.into_inner();
        let asked = |row: &str| of.iter().any(|word| row.split('|').nth(1).is_some_and(|cell| cell.contains(word)));
        let rows = self.rows.into_inner().into_iter().filter(|(row, is_found)| is_long() && asked(row) && !is_found);
        wrong.extend(rows.map(|(row, _)| format!("nothing found for {row}")));
        assert!(wrong.is_empty(), "docs/value-at-risk.md:\n{}", wrong.join("\n"));
    }
}

/// Puts volatilities of a line's smile in place of log-moneynesses.
type Smile = dyn Fn(usize, &mut [f64]) + Sync;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Historical,
    FilteredEwma,
    /// Whether falls and rises count apart, and what surprises are drawn from.
    Filtered(bool, Innovations),
    MonteCarlo,
    DeltaGamma,
}

impl Method {
    const ALL: [Self; 8] = [
        Self::Historical,
        Self::FilteredEwma,
        Self::Filtered(false, Innovations::Normal),
        Self::Filtered(false, Innovations::Student),
        Self::Filtered(true, Innovations::Normal),
        Self::Filtered(true, Innovations::Student),
        Self::MonteCarlo,
        Self::DeltaGamma,
    ];

    /// Of the models one is enough where no more is asked for.
    fn is_asked(self) -> bool {
        is_long() || !matches!(self, Self::Filtered(false, _) | Self::Filtered(true, Innovations::Normal))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Historical => "historical",
            Self::FilteredEwma => "filtered, `ewma`",
            Self::Filtered(false, Innovations::Normal) => "filtered, `garch`",
            Self::Filtered(false, Innovations::Student) => "filtered, `garch-t`",
            Self::Filtered(true, Innovations::Normal) => "filtered, `gjr`",
            Self::Filtered(true, Innovations::Student) => "filtered, `gjr-t`",
            Self::MonteCarlo => "montecarlo",
            Self::DeltaGamma => "delta-gamma",
        }
    }

    /// Figures of a book one step ahead, at both levels. `ahead` is how long that step is, which recorded ones are only about.
    fn figures(
        self,
        (book, smile): (&mut Book, &Smile),
        history: &History,
        (ahead, seed): (Duration, u64),
        unfitted: &mut usize,
    ) -> [Figures; 2] {
        let (step, paths) = (history.step(), Paths { count: 2_000, seed });
        let moves = match self {
            Self::Historical => Moves::historical(history, step, paths),
            Self::FilteredEwma => Moves::filtered(history, step, EWMA, paths),
            // Where no model can be fitted, it is told and not guessed: the caller takes the simpler one.
            Self::Filtered(asymmetric, innovations) => {
                match Moves::filtered(history, step, model(asymmetric, innovations), paths) {
                    Err(ValueAtRiskError::Forecast(_, FitError::NotConverged)) => {
                        *unfitted += 1;
                        Moves::filtered(history, step, EWMA, paths)
                    }
                    found => found,
                }
            }
            Self::MonteCarlo => {
                Moves::monte_carlo(&Law::of(history, Some(EWMA), Tails::Fitted, 1).unwrap(), step, paths)
            }
            Self::DeltaGamma => {
                let law = Law::of(history, Some(EWMA), Tails::Normal, 1).unwrap();
                let (factors, deviations) = (law.factors().to_vec(), law.deviations().to_vec());
                let law = Law::new(ahead, factors, deviations, law.correlation().to_vec(), None).unwrap();
                let greeks = ByGreeks::of(book, history.factors(), ahead, &[]).unwrap();
                return LEVELS.map(|level| greeks.figures(&law, level).unwrap());
            }
        };
        let moves = moves.unwrap();
        let changes = (0..moves.len()).flat_map(|scenario| moves.of(scenario).to_vec()).collect();
        let moves = Moves::given(history.factors(), ahead, changes).unwrap();
        let profits = book.profits_on(&moves, 0..moves.len(), &[], smile).unwrap();
        LEVELS.map(|level| profits.figures(level).unwrap())
    }
}

/// What came of figures.
#[derive(Default)]
struct Record([Vec<Period>; 2]);

/// How often a record was over figures of one level.
struct Verdict {
    breaches: u64,
    periods: u64,
}

impl Record {
    fn push(&mut self, figures: [Figures; 2], profit: f64) {
        for (periods, Figures { value_at_risk, expected_shortfall, .. }) in self.0.iter_mut().zip(figures) {
            periods.push(Period { profit, value_at_risk, expected_shortfall });
        }
    }

    /// Prints a row of a table, and puts it to docs/value-at-risk.md.
    fn verdicts(&self, of: &str, method: Method, page: Option<&Page>) -> [Verdict; 2] {
        let verdict = |(periods, level): (&Vec<Period>, f64)| {
            let breached: Vec<bool> = periods.iter().map(|period| -period.profit > period.value_at_risk).collect();
            let breaches = breached.iter().filter(|breached| **breached).count() as u64;
            let coverage = Coverage::new(periods.len() as u64, breaches, level).unwrap();
            let clustering = christoffersen(&breached, level).unwrap();
            let shortfall = acerbi_szekely(periods, level).unwrap();
            let verdict = Verdict { breaches, periods: periods.len() as u64 };
            let of_test = |value: f64| format!("{value:.3}{}", if value < 0.05 { " ✕" } else { "" });
            let row = format!(
                "{breaches} of {:.1} | {} | {}",
                periods.len() as f64 * (1.0 - level),
                of_test(coverage.kupiec().probability),
                of_test(clustering.independence.probability)
            );
            (verdict, row, format!("{:?} | {:+.2}", coverage.zone(), shortfall.second).to_lowercase().replace('-', "−"))
        };
        let [(first, at_95, _), (second, at_99, rest)] = [0, 1].map(|at| verdict((&self.0[at], LEVELS[at])));
        let periods = count(first.periods, Style::Terminal);
        let row = format!("| {of}, {periods} | {} | {at_95} | {at_99} | {rest} |", method.name());
        match page {
            Some(page) => page.found(&row),
            None => println!("{row}"),
        }
        [first, second]
    }
}

/// What each test would find in so many periods: twice as many breaches (Kupiec, the light), one in four right after another
/// (Christoffersen), a volatility a quarter higher than was told (Acerbi and Székely).
fn powers(of: &str, periods: u64, page: &Page) {
    for level in LEVELS {
        let coverage = Coverage::new(periods, 0, level).unwrap();
        let twice = 2.0 * (1.0 - level);
        let accepted = coverage
            .accepted(0.05)
            .map_or_else(|| "none".to_owned(), |all| format!("{} to {}", all.start(), all.end()));
        let (clusters, deep) =
            (clustering_power(periods, level, 0.05, 0.25), shortfall_power(periods, level, 0.05, 1.25));
        page.found(&format!(
            "| {of}, {} | {:.0} % | {accepted} | {:.2} | {:.2} | {:.2} | {:.2} |",
            count(periods, Style::Terminal),
            level * 100.0,
            coverage.power(0.05, twice),
            coverage.zone_power(twice),
            clusters.power,
            deep.power
        ));
    }
}

fn head() {
    println!("| What, periods | Method | 95 % | k | i | 99 % | k | i | Basel | AS 2 |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
}

fn bars(shared: &Path, folder: &Path, coin: &str, file: &str, kind: InstrumentKind) -> PathBuf {
    let out = folder.join(format!("{coin}-{}.tape", if kind == InstrumentKind::Spot { "spot" } else { "perp" }));
    let instrument = Instrument {
        symbol: format!("binance:{coin}USDT{}", if kind == InstrumentKind::Spot { "" } else { "-PERP" }),
        kind,
        base: coin.parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: "0.01".parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.001".parse().unwrap(),
    };
    let source = shared.join(format!("data/bars_multiyear/{coin}USDT_binance_{file}.parquet"));
    import::bars(&BarsRequest::new(source, instrument, Labelled::Open, &out), &mut |_, _| {}).unwrap();
    out
}

fn history(tapes: &[PathBuf], at: &str, step: Duration, coins: Vec<(Currency, Vols)>) -> MarketHistory {
    let asked = HistoryRequest { at: at.parse().unwrap(), step, window: None, is_on_grid: false, coins, threads: 2 };
    MarketHistory::read(tapes, &asked, &mut |_, _| true).unwrap().unwrap().unwrap()
}

/// One coin, bought or sold short, over every hour or day of 2017 to 2024.
#[test]
fn one_coin_over_years() {
    let Some(shared) = shared("one_coin_over_years") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = Page::new();
    head();
    let coins: &[&str] = if is_long() { &["BTC", "ETH"] } else { &["BTC"] };
    for coin in coins {
        let tapes = [
            bars(&shared, folder.path(), coin, "spot_1h_2017_2022", InstrumentKind::Spot),
            bars(&shared, folder.path(), coin, "perp_1h_2023_2024", InstrumentKind::LinearPerpetual),
        ];
        let currency: Currency = coin.parse().unwrap();
        for (step, name, window) in [(Duration::DAY, "days", 500), (Duration::HOUR, "hours", 1_000)] {
            let market = history(&tapes, "2025-01-01T00:00:00Z", step, vec![(currency, Vols::None)]);
            let rows = market.history.len();
            println!("{coin} {name}: {rows} changes, {} left out", market.left_out);
            // A year has hours enough for what is slow, and for all where no more is asked for.
            let first =
                |slow: bool| if step == Duration::DAY || (is_long() && !slow) { window } else { rows - 24 * 365 };
            let signs: &[&str] = if step == Duration::DAY && is_long() { &["bought", "sold"] } else { &["bought"] };
            for sign in signs {
                let amount = if *sign == "bought" { "1" } else { "-1" };
                let mut portfolio = Portfolio::new(Currency::USD, market.from);
                portfolio.set_price(currency, 1.0).unwrap();
                portfolio.hold(Holding::Balance { currency, amount: amount.parse().unwrap() }).unwrap();
                let mut book = Book::new(&[portfolio], Dynamics::default(), Simd::best());
                for method in Method::ALL.into_iter().filter(|method| method.is_asked()) {
                    let quick = matches!(
                        method,
                        Method::Historical | Method::FilteredEwma | Method::Filtered(_, Innovations::Normal)
                    );
                    let slow = step == Duration::HOUR && !quick;
                    if slow && !is_long() {
                        continue;
                    }
                    let first = first(slow);
                    let mut told = History::new(step, market.history.factors().to_vec()).unwrap();
                    (first - window..first).for_each(|row| told.push(market.history.row(row)).unwrap());
                    let (mut record, mut unfitted) = (Record::default(), 0);
                    for row in first..rows {
                        let none = |_: usize, places: &mut [f64]| places.fill(0.0);
                        let ahead = (step, row as u64);
                        let figures = method.figures((&mut book, &none), &told, ahead, &mut unfitted);
                        let change = market.history.row(row);
                        let moved = Moves::given(told.factors(), step, change.to_vec()).unwrap();
                        record.push(figures, book.profits(&moved, 0..1, &[]).unwrap().totals()[0]);
                        told.push(change).unwrap();
                        told.keep_last(window);
                    }
                    let from = market.spans[first].1.to_string();
                    let of = format!("{coin} {sign}, {name} from {} on", &from[..4]);
                    let [_, at_99] = record.verdicts(&of, method, Some(&page));
                    assert!(unfitted * 20 < rows - first, "{unfitted} of {} fits did not end", rows - first);
                    // Whatever is told, it is no other quantity than asked for.
                    let share = at_99.breaches as f64 / at_99.periods as f64;
                    assert!((0.002..0.03).contains(&share), "{}: {share} of losses were over 99 %", method.name());
                }
            }
        }
    }
    page.end(&[" days from ", " hours from "]);
}

/// The powers of the tests at the numbers of periods that these records have.
#[test]
fn powers_of_the_tests() {
    println!("| Periods | Level | Kupiec accepts | Kupiec | Light | Christoffersen | Acerbi–Székely |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let records: &[(&str, u64)] = if is_long() {
        &[("days", 2_126), ("hours", 61_860), ("hours", 8_760), ("options", 323)]
    } else {
        &[("options", 323)]
    };
    let page = Page::new();
    records.iter().for_each(|(of, periods)| powers(of, *periods, &page));
    page.end(&["days, ", "hours, ", "options, "]);
    // 108 days at 99 %: none to three breaches.
    assert_eq!(Coverage::new(108, 0, 0.99).unwrap().accepted(0.05), Some(0..=3));
}

/// Mark and forward of each option of a moment.
type Chain = BTreeMap<(Timestamp, Price, bool), (f64, f64)>;

/// What each coin's chain was at each snapshot.
fn snapshots(tapes: &[PathBuf]) -> BTreeMap<Currency, BTreeMap<Timestamp, Chain>> {
    let mut all: BTreeMap<Currency, BTreeMap<Timestamp, Chain>> = BTreeMap::new();
    for tape in tapes {
        let mut reader = tape::TapeReader::open(tape).unwrap();
        let known = reader.catalogue().instruments.clone();
        while let Some((at, event)) = reader.next().unwrap() {
            let Event::OptionQuote(quote) = event else { continue };
            let of = &known[quote.instrument.index()];
            let (Some((strike, right)), Some(expiry)) = (of.kind.option(), of.kind.expiry()) else { continue };
            let (Some(mark), Some(forward)) = (quote.mark(), quote.underlying()) else { continue };
            let chain = all.entry(of.base).or_default().entry(at).or_default();
            chain.insert((expiry, strike, right == OptionRight::Call), (mark.approximate(), forward.approximate()));
        }
    }
    all
}

/// The volatility that an option's mark stands for.
fn vol(at: Timestamp, (expiry, strike, call): (Timestamp, Price, bool), (mark, forward): (f64, f64)) -> Option<f64> {
    let (strike, years) = (strike.approximate(), expiry.since(at).days() / 365.0);
    let inside = if call { (forward - strike).max(0.0) } else { (strike - forward).max(0.0) };
    let outside = mark * forward - inside;
    Some(total_deviation(ln(forward / strike), outside / sqrt(forward * strike))? / sqrt(years))
}

/// The option of a chain nearest to so many days and such a moneyness, with its volatility and the smile's slope there.
fn nearest(
    at: Timestamp,
    chain: &Chain,
    days: f64,
    moneyness: f64,
    call: bool,
) -> Option<((Timestamp, Price, bool), SmilePoint)> {
    let far = |expiry: &Timestamp| (expiry.since(at).days() - days).abs();
    let expiry = chain.keys().map(|key| key.0).min_by(|a, b| far(a).total_cmp(&far(b)))?;
    let of: Vec<_> = chain.iter().filter(|(key, _)| key.0 == expiry && key.2 == call).collect();
    let place = |strike: Price, forward: f64| (strike.approximate() / forward - moneyness).abs();
    let by = |a: usize| place(of[a].0.1, of[a].1.1);
    let middle = (1..of.len().checked_sub(1)?).min_by(|a, b| by(*a).total_cmp(&by(*b)))?;
    let vols: Option<Vec<f64>> =
        of[middle - 1..=middle + 1].iter().map(|(key, quote)| vol(at, **key, **quote)).collect();
    let vols = vols?;
    let width = ln(of[middle + 1].0.1.approximate() / of[middle - 1].0.1.approximate());
    Some((*of[middle].0, SmilePoint { vol: vols[1], slope: (vols[2] - vols[0]) / width }))
}

/// The smile of an expiry, fitted to marks out of the money as if each stood a tenth of a point from bid and ask, as `trimtab risk` fits
/// quotes.
fn fitted(at: Timestamp, chain: &Chain, expiry: Timestamp) -> Surface {
    let mut points = Vec::new();
    let mut middle = 0.0;
    for (key, quote) in chain.iter().filter(|(key, _)| key.0 == expiry) {
        let (place, forward) = (ln(key.1.approximate() / quote.1), quote.1);
        let Some(mid_vol) = vol(at, *key, *quote).filter(|_| (place >= 0.0) == key.2) else { continue };
        middle = forward;
        let (bid_vol, ask_vol) = (mid_vol - 0.001, mid_vol + 0.001);
        points.push(SmileMark { log_moneyness: place, bid_vol, ask_vol, mid_vol, weight: 1.0 });
    }
    let years = expiry.since(at).days() / 365.0;
    Surface::fit(&[SmileQuotes { years, forward: middle, discount: 1.0, points }]).unwrap()
}

/// Options of a book: days, moneyness, call, quantity of BTC.
type Legs = [(f64, f64, bool, f64)];

const BOOKS: [(&str, &Legs); 3] = [
    ("30 d strangles sold", &[(30.0, 0.9, false, -1.0), (30.0, 1.1, true, -1.0)]),
    ("10 d straddles bought", &[(10.0, 1.0, false, 1.0), (10.0, 1.0, true, 1.0)]),
    ("puts bought, calls sold", &[(30.0, 0.9, false, 1.0), (30.0, 1.1, true, -1.0)]),
];

/// Books of options in both coins, formed anew and marked by the venue's own marks every six hours.
#[test]
fn options_every_six_hours() {
    let Some(shared) = shared("options_every_six_hours") else { return };
    let coins: &[&str] = if is_long() { &["BTC", "ETH"] } else { &["BTC"] };
    let methods: Vec<Method> = Method::ALL
        .into_iter()
        .filter(|method| method.is_asked())
        .filter(|method| is_long() || !matches!(method, Method::MonteCarlo | Method::DeltaGamma))
        .collect();
    let page = Page::new();
    books(&shared, (coins, Vols::Short), &BOOKS, &methods, &page);
    if is_long() {
        // What the volatility seven days ahead brings to what lives by it.
        let histories = [Method::Historical, Method::FilteredEwma, Method::Filtered(true, Innovations::Student)];
        let [month, short] = [Vols::Month, Vols::Short].map(|vols| {
            println!("{vols:?}");
            let found = books(&shared, (&["BTC"], vols), &BOOKS[1..2], &histories, &page);
            [0, 1].map(|level| found.iter().map(|verdicts| verdicts[level].breaches).collect::<Vec<_>>())
        });
        let three = |of: &[u64]| format!("{}, {} and {}", of[0], of[1], of[2]);
        page.says(&format!(
            "let {} losses be over 95 % by `historical`, `ewma` and `gjr-t` and {} over 99 %",
            three(&month[0]),
            three(&month[1])
        ));
        page.says(&format!("with both it is {}, and {}.", three(&short[0]), three(&short[1])));
    }
    page.end(&[" strangles sold, ", " straddles bought, ", "puts bought, calls sold, "]);
}

/// Verdicts of each book by each method.
fn books(
    shared: &Path,
    (coins, vols): (&[&str], Vols),
    books: &[(&str, &Legs)],
    methods: &[Method],
    page: &Page,
) -> Vec<[Verdict; 2]> {
    let mut verdicts = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    let months = ["2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05"];
    let mut tapes = Vec::new();
    for (coin, month) in coins.iter().flat_map(|coin| months.iter().map(move |month| (coin, month))) {
        let source = shared.join(format!("data/deribit_options_6h/{coin}_{month}.parquet"));
        let out = folder.path().join(format!("{coin}-{month}.tape"));
        import::options(&OptionsRequest::new(source, &out), &mut |_, _| {}).unwrap();
        tapes.push(out);
    }
    // Snapshots come around 4, 9, 15 and 21 o'clock.
    let step = Duration::from_nanos(6 * Duration::HOUR.nanos());
    let currencies: Vec<Currency> = coins.iter().map(|coin| coin.parse().unwrap()).collect();
    let market = history(&tapes, "2026-05-15T19:30:00Z", step, currencies.iter().map(|coin| (*coin, vols)).collect());
    println!("{} changes, {} left out; {:?}", market.history.len(), market.left_out, market.sources);
    if vols == Vols::Short {
        assert_eq!(market.history.factors().len(), 4 * currencies.len());
    }
    let chains = snapshots(&tapes);
    let last = |coin: &Currency, at: Timestamp| chains[coin].range(..=at).next_back();
    head();
    let warm = 200;
    for (name, legs) in books {
        for method in methods.iter().copied() {
            let mut told = History::new(step, market.history.factors().to_vec()).unwrap();
            (0..warm).for_each(|row| told.push(market.history.row(row)).unwrap());
            let (mut record, mut unfitted) = (Record::default(), 0);
            for (row, (begin, end)) in market.spans.iter().enumerate().skip(warm) {
                if row > warm {
                    told.push(market.history.row(row - 1)).unwrap();
                }
                // As time goes from snapshot to snapshot.
                let at = |time: Timestamp| last(&currencies[0], time).map(|(at, _)| *at);
                let (Some(at), Some(then)) = (at(*begin), at(*end)) else { continue };
                let ahead = then.since(at);
                let mut portfolio = Portfolio::new(Currency::USD, at);
                let (mut profit, mut smiles) = (Some(0.0), Vec::new());
                for coin in &currencies {
                    let size = if coin.as_str() == "BTC" { 1.0 } else { 20.0 };
                    let (Some((_, now)), Some((_, then))) = (last(coin, at), last(coin, then)) else { continue };
                    // What is nearest to settlement has the index for its forward.
                    let index = |chain: &Chain| chain.values().next().map(|(_, forward)| *forward);
                    let (Some(before), Some(after)) = (index(now), index(then)) else { continue };
                    portfolio.set_price(*coin, before).unwrap();
                    for (days, moneyness, call, quantity) in *legs {
                        let found = nearest(at, now, *days, *moneyness, *call);
                        let quotes = found.and_then(|(key, _)| Some((now[&key], then.get(&key)?)));
                        let (Some(((expiry, strike, _), point)), Some((old, new))) = (found, quotes) else {
                            profit = None;
                            continue;
                        };
                        let quantity = *quantity * size;
                        portfolio.set_forward(*coin, expiry, old.1).unwrap();
                        let holding = Holding::Option {
                            underlying: *coin,
                            expiry,
                            strike,
                            right: if *call { OptionRight::Call } else { OptionRight::Put },
                            settlement: Settlement::Coin,
                            quantity: Qty::from_estimate(quantity, Round::Nearest).unwrap(),
                            point,
                        };
                        portfolio.hold(holding).unwrap();
                        smiles.push(fitted(at, now, expiry));
                        profit = profit.map(|sum| sum + quantity * (new.0 * after - old.0 * before));
                    }
                }
                if let Some(profit) = profit {
                    let mut book = Book::new(&[portfolio], Dynamics::default(), Simd::best());
                    let smile = move |line: usize, places: &mut [f64]| smiles[line].slices()[0].tenor().vols(places);
                    let ahead = (ahead, row as u64);
                    record.push(method.figures((&mut book, &smile), &told, ahead, &mut unfitted), profit);
                }
            }
            assert!(unfitted * 20 < market.spans.len() - warm, "{unfitted} fits did not end");
            // The page has the rows of both coins together.
            let found = match coins {
                [coin] => record.verdicts(&format!("{coin} alone, {name}"), method, None),
                _ => record.verdicts(name, method, Some(page)),
            };
            let share = found[0].breaches as f64 / found[0].periods as f64;
            assert!((0.005..0.15).contains(&share), "{name}, {}: {share} of losses were over 95 %", method.name());
            verdicts.push(found);
        }
    }
    verdicts
}

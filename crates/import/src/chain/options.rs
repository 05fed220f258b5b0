//! Option chains: what was quoted for each option, a row each.

use super::{Content, NamedRow, Names, Request, column};
use crate::cell::{Cell, CellFault};
use crate::columns::{self, ColumnMap};
use crate::instruments::{self, Terms};
use crate::ledger::{Ledger, Problem};
use crate::report::{ImportReport, count};
use crate::scan::Progress;
use crate::source::Source;
use crate::symbol::{self, Form};
use crate::time::TimeReader;
use crate::{ImportError, Repair};
use market::{Catalogue, Event, Instrument, InstrumentKind, OptionQuote, PriceStep, PriceSteps, StepsOf};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tape::Kind;
use units::{Duration, OptionRight, Price, Qty, Round, Timestamp};

/// An option is listed so long before it expires at most: no venue lists one of over three years. A time before that, such as the
/// beginning of 1970 for "none", is an error of the file.
const LISTED_MAX: Duration = Duration::from_nanos(5 * 365 * Duration::DAY.nanos());

/// A venue's clock may be ahead of the receipt's by so much: what it dates later than this after an expiry is an error of the file.
const CLOCK_MAX: Duration = Duration::DAY;

/// An import of option chains.
#[derive(Debug, Clone)]
pub struct OptionsRequest {
    /// The CSV or Parquet file.
    pub source: PathBuf,
    /// What the names leave open: grids where they are not known, the settlement where it is not.
    pub terms: Terms,
    /// Changes that are allowed.
    pub repair: Vec<Repair>,
    /// Columns named by the user.
    pub columns: ColumnMap,
    /// The tape to write.
    pub out: PathBuf,
}

impl OptionsRequest {
    /// An import with everything recognised by name, and no repairs.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, out: impl AsRef<Path>) -> Self {
        Self {
            source: source.into(),
            terms: Terms::default(),
            repair: Vec::new(),
            columns: ColumnMap::default(),
            out: out.as_ref().to_owned(),
        }
    }
}

/// Makes a tape of a file of option chains: every row names its option and tells what was quoted for it. The columns of Tardis
/// (`options_chain`), of Deribit's book summaries, tickers and order books, and of end-of-day chains are known.
pub fn options(request: &OptionsRequest, progress: &mut dyn FnMut(u64, u64)) -> Result<ImportReport, ImportError> {
    let source = Source::open(&request.source, &request.columns)?;
    let (names, roles, wanted) = recognise(&source, &request.columns)?;
    let mut content = Quotes::new(request.terms, roles);
    let options = [
        ("tick", request.terms.tick.map(|tick| tick.to_string())),
        ("lot", request.terms.lot.map(|lot| lot.to_string())),
    ];
    let job = Request {
        source: &source,
        columns: &request.columns,
        out: &request.out,
        repair: &request.repair,
        kind: Kind::Quote,
        noun: "quote",
        thing: "option",
        options: options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
    };
    let mut progress = Progress::new(&source, progress);
    super::run(&job, &names, &wanted, &mut content, &mut progress)
}

/// Where the cells of a quote stand among the columns asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Roles {
    bid: Option<usize>,
    ask: Option<usize>,
    bid_qty: Option<usize>,
    ask_qty: Option<usize>,
    mark: Option<usize>,
    underlying: Option<usize>,
    /// What the price of the underlying is called.
    index: Option<usize>,
    open_interest: Option<usize>,
    strike: Option<usize>,
    right: Option<usize>,
    expiry: Option<usize>,
    bids: Option<usize>,
    asks: Option<usize>,
}

fn recognise(source: &Source, map: &ColumnMap) -> Result<(Names, Roles, Vec<usize>), ImportError> {
    // The last of each list are what `trimtab tape cat --csv` prints.
    let symbols = ["instrument_name", "symbol", "instrument", "of"];
    let known = |names: &[&str]| columns::recognised(source, names);
    let is_option = |name: &String| {
        symbol::parts(&format!("deribit:{name}")).is_some_and(|parts| matches!(parts.form, Form::Option { .. }))
    };
    if known(&symbols).is_none() && (source.headless.is_some() || source.columns.iter().any(is_option)) {
        return Err(ImportError::column(
            &source.path,
            "column-missing",
            "does not name its columns, and those of a chain are known by their names alone: put a first line such as \
             `local_timestamp,symbol,bid_price,ask_price,…` before its rows",
        ));
    }
    let missing = |what: &str| {
        ImportError::column(
            &source.path,
            "column-missing",
            format!("has no column known as {what}, so it is no option chain; it has {}", columns::list(source)),
        )
    };
    let symbol = known(&symbols).ok_or_else(|| missing("the name of an option"))?;
    let times = ["local_timestamp", "timestamp", "quote_unixtime", "time", "ts", "datetime", "date", "receipt"];
    let receipt = column(source, map.time.as_ref(), "--time-column", &times)?.ok_or_else(|| missing("time"))?;
    let is = |name: &str| known(&[name]) == Some(receipt);
    let happened = if is("local_timestamp") { Some("timestamp") } else { is("receipt").then_some("venue") };
    let names = Names {
        symbol: Some(symbol),
        exchange: known(&["exchange"]),
        // Only Deribit's own files name no venue.
        venue: "deribit".to_owned(),
        receipt,
        happened: happened.and_then(|name| known(&[name])),
        known: None,
    };
    let mut wanted = Vec::new();
    let mut role = |names: &[&str]| {
        let column = columns::recognised(source, names)?;
        wanted.push(column);
        Some(wanted.len() - 1)
    };
    let roles = Roles {
        bid: role(&["bid_price", "best_bid_price", "bid"]),
        ask: role(&["ask_price", "best_ask_price", "ask"]),
        bid_qty: role(&["bid_amount", "best_bid_amount", "bid_size", "bid_qty"]),
        ask_qty: role(&["ask_amount", "best_ask_amount", "ask_size", "ask_qty"]),
        mark: role(&["mark_price", "mark"]),
        underlying: role(&["underlying_price", "underlying", "forward"]),
        index: role(&["underlying_index"]),
        open_interest: role(&["open_interest"]),
        strike: role(&["strike_price", "strike"]),
        right: role(&["option_type", "option_right", "type", "right"]),
        expiry: role(&["expiration", "expiration_timestamp", "expiry_unix", "expiry_datetime", "expiry"]),
        bids: role(&["bids"]),
        asks: role(&["asks"]),
    };
    if roles.bid.or(roles.bids).is_none() {
        return Err(missing("the best bid"));
    }
    if roles.ask.or(roles.asks).is_none() {
        return Err(missing("the best ask"));
    }
    Ok((names, roles, wanted))
}

/// How much of the underlying one is in which sizes and open interest of a venue are counted; `None`: not known.
fn contract_size(instrument: &Instrument) -> Option<Qty> {
    match (instrument.venue(), instrument.base.as_str()) {
        // OKX counts contracts: `ctVal` times `ctMult` of its instrument records.
        ("okx", "BTC") => Some(Qty::from_raw(Qty::ONE / 100)),
        ("okx", "ETH") => Some(Qty::from_raw(Qty::ONE / 10)),
        ("okx", _) => None,
        _ => Some(Qty::from_raw(Qty::ONE)),
    }
}

#[derive(Default)]
struct Counts {
    times: u64,
    last: Option<Timestamp>,
    no_bid: u64,
    no_ask: u64,
    no_side: u64,
    crossed: u64,
    between_steps: u64,
    /// The last step that one lay between.
    step: Option<PriceStep>,
    too_dear: u64,
    no_underlying: u64,
    /// Rows whose underlying is an index.
    of_index: u64,
    no_mark: u64,
    sized: u64,
    in_contracts: u64,
    unknown_size: u64,
    early: u64,
    rows: u64,
}

struct Quotes {
    terms: Terms,
    roles: Roles,
    expiries: TimeReader,
    steps: PriceSteps,
    /// By instrument; looked up for every row.
    habits: BTreeMap<u32, Habits>,
    counts: Counts,
}

/// What is to be known of an option beside its name.
#[derive(Debug, Clone, Copy)]
struct Habits {
    /// What sizes count.
    size: Option<Qty>,
    steps: StepsOf,
    kind: InstrumentKind,
}

/// A side of the book: its price and its size.
type Side = Option<(Price, Option<Qty>)>;

impl Quotes {
    fn new(terms: Terms, roles: Roles) -> Self {
        let (expiries, steps) = (TimeReader::default(), PriceSteps::known());
        Self { terms, roles, expiries, steps, habits: BTreeMap::new(), counts: Counts::default() }
    }

    /// Whether a row tells another strike, right or expiry than its name.
    fn differs(&mut self, row: &NamedRow<'_>) -> Option<String> {
        let (strike, right) = row.instrument.kind.option()?;
        let cell = row.maybe(self.roles.strike);
        if !cell.is_empty() && cell.price(Price::from_raw(1)) != Ok(strike) {
            return Some(format!("strike {cell}"));
        }
        let cell = row.maybe(self.roles.right);
        if let Cell::Text(text) = cell
            && !cell.is_empty()
        {
            let told = match text.trim().as_bytes().first() {
                Some(b'c' | b'C') => Some(OptionRight::Call),
                Some(b'p' | b'P') => Some(OptionRight::Put),
                _ => None,
            };
            if told != Some(right) {
                return Some(cell.to_string());
            }
        }
        let cell = row.maybe(self.roles.expiry);
        let told = (!cell.is_empty()).then(|| self.expiries.read(cell));
        (told.is_some() && told.flatten() != row.instrument.kind.expiry()).then(|| format!("expiry {cell}"))
    }

    /// One side of the book; the problem and the cell where it cannot be taken. A price of zero is no quote.
    fn side(
        row: &NamedRow<'_>,
        columns: [Option<usize>; 3],
        size: Option<Qty>,
        ledger: &mut Ledger,
    ) -> Result<Side, (Problem, String)> {
        let [price, amount, list] = columns;
        let listed = match list.map(|list| row.cell(list)) {
            Some(Cell::Text(text)) => Some(first_level(text).ok_or_else(|| (Problem::NotANumber, text.to_owned()))?),
            _ => None,
        };
        // Without a column for the best price, it is the first of the list.
        let (cell, amount) = match (price, listed) {
            (Some(price), _) => (row.cell(price), row.maybe(amount)),
            (None, Some(Some((price, amount)))) => (Cell::Text(price), Cell::Text(amount)),
            (None, _) => (Cell::Empty, Cell::Empty),
        };
        let price = take_price(cell, row.instrument.tick, ledger)?;
        if let Some(first) = listed {
            let first =
                first.map(|(price, _)| take_price(Cell::Text(price), row.instrument.tick, ledger)).transpose()?;
            if first.flatten() != price {
                return Err((Problem::BookDiffers, format!("{cell}")));
            }
        }
        let Some(price) = price else { return Ok(None) };
        Ok(Some((price, amount_of(amount, size)?)))
    }
}

/// Which time of a row lies outside of its option's life, and where.
fn out_of_its_life(row: &NamedRow<'_>, expiry: Timestamp) -> Option<(Problem, String)> {
    let NamedRow { receipt, venue, .. } = *row;
    if receipt >= expiry {
        return Some((Problem::Expired, format!(" at {receipt}, expired {expiry}")));
    }
    let listed = expiry - LISTED_MAX;
    if receipt < listed {
        return Some((Problem::NotListed, format!(" at {receipt}, expires {expiry}")));
    }
    match venue {
        venue if venue < listed => Some((Problem::NotListed, format!(" at the venue's {venue}, expires {expiry}"))),
        venue if venue >= expiry + CLOCK_MAX => {
            Some((Problem::Expired, format!(" at the venue's {venue}, expired {expiry}")))
        }
        _ => None,
    }
}

/// A bid or ask on the grid; `None` where there is none.
fn take_price(cell: Cell<'_>, tick: Price, ledger: &mut Ledger) -> Result<Option<Price>, (Problem, String)> {
    if cell.is_empty() {
        return Ok(None);
    }
    let price = match cell.price(tick) {
        Ok(price) => price,
        Err(CellFault::OffGrid(nearest)) if ledger.repair(Repair::Snap) => Price::from_raw(nearest),
        Err(CellFault::OffGrid(_)) => return Err((Problem::OffTick, cell.to_string())),
        Err(CellFault::NotANumber) => return Err((Problem::NotANumber, cell.to_string())),
        Err(CellFault::TooLarge) => return Err((Problem::TooLarge, cell.to_string())),
    };
    match price {
        Price::ZERO => Ok(None),
        price if price < Price::ZERO => Err((Problem::NotPositive, cell.to_string())),
        price => Ok(Some(price)),
    }
}

/// A mark or forward, to the nearest 1e-8: venues compute them.
fn take_estimate(cell: Cell<'_>) -> Result<Option<Price>, (Problem, String)> {
    if cell.is_empty() {
        return Ok(None);
    }
    match cell.price(Price::from_raw(1)) {
        Ok(price) if price < Price::ZERO => Err((Problem::NotPositive, cell.to_string())),
        Ok(price) => Ok(Some(price)),
        Err(CellFault::OffGrid(nearest)) if nearest < 0 => Err((Problem::NotPositive, cell.to_string())),
        Err(CellFault::OffGrid(nearest)) => Ok(Some(Price::from_raw(nearest))),
        Err(CellFault::NotANumber) => Err((Problem::NotANumber, cell.to_string())),
        Err(CellFault::TooLarge) => Err((Problem::TooLarge, cell.to_string())),
    }
}

/// An amount in units of the underlying; `None` where it is not told, or what is counted is not known.
fn amount_of(cell: Cell<'_>, size: Option<Qty>) -> Result<Option<Qty>, (Problem, String)> {
    let Some(size) = size.filter(|_| !cell.is_empty()) else { return Ok(None) };
    let fault = |fault: CellFault| match fault {
        CellFault::TooLarge => (Problem::TooLarge, cell.to_string()),
        CellFault::NotANumber | CellFault::OffGrid(_) => (Problem::NotANumber, cell.to_string()),
    };
    let amount = cell.volume().map_err(fault)?;
    if amount.raw() < 0 {
        return Err((Problem::NegativeVolume, cell.to_string()));
    }
    // Both are at most 63 bits, and the size is at most one.
    let raw = i128::from(amount.raw()) * i128::from(size.raw()) / i128::from(Qty::ONE);
    Ok(i64::try_from(raw).ok().map(Qty::from_raw))
}

/// Price and size of the first of a list as Python prints it, `[[0.1795, 0.1], [0.179, 6.2]]`; `Some(None)`: the list is empty;
/// `None`: it is no list.
fn first_level(text: &str) -> Option<Option<(&str, &str)>> {
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    if inside.is_empty() {
        return Some(None);
    }
    let (level, _) = inside.strip_prefix(['[', '('])?.split_once([']', ')'])?;
    let mut cells = level.split(',').map(str::trim);
    Some(Some((cells.next()?, cells.next()?)))
}

impl Content for Quotes {
    fn instrument(&self, symbol: &str) -> Result<Option<Instrument>, ImportError> {
        let is_option = symbol::parts(symbol).is_some_and(|parts| matches!(parts.form, Form::Option { .. }));
        if is_option { instruments::instrument(symbol, &self.terms).map(Some) } else { Ok(None) }
    }

    fn take(&mut self, row: &NamedRow<'_>, ledger: &mut Ledger) -> Option<Event> {
        let NamedRow { number, receipt, id, instrument, .. } = *row;
        let steps = &self.steps;
        let habits = || Habits { size: contract_size(instrument), steps: steps.of(instrument), kind: instrument.kind };
        let size = self.habits.entry(id.0).or_insert_with(habits).size;
        if let Some(told) = self.differs(row) {
            ledger.refuse(Problem::NameDiffers, number, || format!("{} has {told}", instrument.symbol));
            return None;
        }
        if let Some((problem, told)) = instrument.kind.expiry().and_then(|expiry| out_of_its_life(row, expiry)) {
            ledger.refuse(problem, number, || format!("{}{told}", instrument.symbol));
            return None;
        }
        let roles = self.roles;
        let mut of_index = 0;
        let mut read = || {
            let named =
                |name: &'static str| move |(problem, cell): (Problem, String)| (problem, format!("{name} {cell}"));
            let bid = Self::side(row, [roles.bid, roles.bid_qty, roles.bids], size, ledger).map_err(named("bid"))?;
            let ask = Self::side(row, [roles.ask, roles.ask_qty, roles.asks], size, ledger).map_err(named("ask"))?;
            let mark = take_estimate(row.maybe(roles.mark)).map_err(named("mark"))?;
            let underlying = take_estimate(row.maybe(roles.underlying)).map_err(named("underlying"))?;
            let is_index = underlying.is_some() && is_index(row.maybe(roles.index), instrument);
            of_index += u64::from(is_index);
            let interest = amount_of(row.maybe(roles.open_interest), size).map_err(named("open interest"))?;
            let quote = OptionQuote::empty(id)
                .with_bid(bid.map(|(price, _)| price), bid.and_then(|(_, size)| size))
                .with_ask(ask.map(|(price, _)| price), ask.and_then(|(_, size)| size))
                .with_mark(mark)
                .with_underlying(underlying.filter(|price| !price.is_zero() && !is_index))
                .with_open_interest(interest);
            Ok(quote)
        };
        match read() {
            Ok(quote) => {
                self.counts.early += u64::from(receipt < row.venue);
                self.counts.of_index += of_index;
                Some(Event::OptionQuote(quote))
            }
            Err::<_, (Problem, String)>((problem, cell)) => {
                ledger.refuse(problem, number, || format!("{cell} of {}", instrument.symbol));
                None
            }
        }
    }

    fn count(&mut self, at: Timestamp, event: &Event) {
        let Event::OptionQuote(quote) = event else { return };
        let counts = &mut self.counts;
        counts.rows += 1;
        counts.times += u64::from(counts.last.replace(at) != Some(at));
        counts.no_bid += u64::from(quote.bid().is_none());
        counts.no_ask += u64::from(quote.ask().is_none());
        counts.no_side += u64::from(quote.bid().is_none() && quote.ask().is_none());
        counts.crossed += u64::from(quote.is_crossed());
        counts.no_underlying += u64::from(quote.underlying().is_none());
        counts.no_mark += u64::from(quote.mark().is_none());
        counts.sized += u64::from(quote.bid_qty().or(quote.ask_qty()).is_some());
        // Every quote that is counted was taken.
        let Some(Habits { size, steps, kind }) = self.habits.get(&quote.instrument.0).copied() else { return };
        let missed = |price: Price| {
            self.steps.at(steps, price, at).filter(|step| price.to_tick(step.tick, Round::Nearest) != price)
        };
        let missed = quote.bid().and_then(missed).or_else(|| quote.ask().and_then(missed));
        counts.between_steps += u64::from(missed.is_some());
        counts.step = missed.or(counts.step);
        counts.too_dear += u64::from(is_too_dear(quote, kind));
        counts.in_contracts += u64::from(size.is_some_and(|size| size.raw() != Qty::ONE));
        counts.unknown_size += u64::from(size.is_none());
    }

    fn conclude(&self, catalogue: &Catalogue, ledger: &mut Ledger) -> String {
        let counts = &self.counts;
        // Underlying and settlement tell chains apart; of one expiry each strike counts once.
        let mut strikes: BTreeMap<_, BTreeMap<Price, ()>> = BTreeMap::new();
        for known in &catalogue.instruments {
            if let (Some(expiry), Some((strike, _))) = (known.kind.expiry(), known.kind.option()) {
                strikes.entry((known.base, known.quote, expiry)).or_default().insert(strike, ());
            }
        }
        let lonely = strikes.values().filter(|strikes| strikes.len() == 1).count() as u64;
        for (name, number) in [
            ("options", catalogue.instruments.len() as u64),
            ("expiries", strikes.len() as u64),
            ("times", counts.times),
            ("no_bid", counts.no_bid),
            ("no_ask", counts.no_ask),
            ("crossed", counts.crossed),
            ("between_steps", counts.between_steps),
        ] {
            ledger.counts.insert(name, number);
        }
        let mut note = |text: String| ledger.notes.push(text);
        let quotes = |number: u64| count(number, "quote");
        let expiries =
            |number: u64| if number == 1 { "1 expiry".to_owned() } else { format!("{} expiries", count(number, "")) };
        match (counts.no_bid, counts.no_ask) {
            (0, 0) => {}
            (no_bid, 0) => note(format!("{} without a bid", quotes(no_bid))),
            (0, no_ask) => note(format!("{} without an ask", quotes(no_ask))),
            (no_bid, no_ask) => note(format!(
                "{} without a bid, {} without an ask ({} without either)",
                quotes(no_bid),
                count(no_ask, ""),
                count(counts.no_side, "")
            )),
        }
        if counts.crossed > 0 {
            note(format!("{} crossed, the bid above the ask; kept as recorded", quotes(counts.crossed)));
        }
        if let Some(PriceStep { above, tick, .. }) = counts.step {
            note(format!(
                "{} above {above} between the venue's steps of {tick} there; kept as recorded",
                quotes(counts.between_steps)
            ));
        }
        if counts.too_dear > 0 {
            ledger.counts.insert("too_dear", counts.too_dear);
            note(format!(
                "{} ten times dearer than an option can be worth (a call its coin, a put its strike); kept as recorded: \
                 check the unit of prices",
                quotes(counts.too_dear)
            ));
        }
        if lonely > 0 {
            note(format!("{} of one strike alone: no smile can be fitted to it", expiries(lonely)));
        }
        // Of rows that were all refused nothing is known but the columns.
        let roles = &self.roles;
        let has_sizes = [roles.bid_qty, roles.ask_qty, roles.bids, roles.asks].iter().any(Option::is_some);
        let is_recorded = |told: u64, has_column: bool| told > 0 || counts.rows == 0 && has_column;
        if !is_recorded(counts.sized, has_sizes) {
            note("no sizes are recorded: how much stood at a quote is not known".to_owned());
        }
        if counts.in_contracts > 0 {
            note("sizes and open interest are counted in contracts there; kept in units of the underlying".to_owned());
        }
        if counts.unknown_size > 0 {
            note(format!(
                "sizes and open interest of {} left out: what a contract is on is not known",
                quotes(counts.unknown_size)
            ));
        }
        if counts.of_index > 0 {
            ledger.counts.insert("index_as_forward", counts.of_index);
            ledger.notes.push(format!(
                "{} with an index for their underlying, one price for all expiries and the forward of none: it is left out",
                quotes(counts.of_index)
            ));
        }
        let mut note = |text: String| ledger.notes.push(text);
        if !is_recorded(counts.rows - counts.no_underlying, roles.underlying.is_some()) {
            note("no forward is recorded: it has to come from parity or from futures".to_owned());
        } else if counts.no_underlying > 0 {
            note(format!("{} without a forward", quotes(counts.no_underlying)));
        }
        if counts.early > 0 {
            note(format!("{} received before their own time: check the clocks", quotes(counts.early)));
        }
        let options = count(catalogue.instruments.len() as u64, "option");
        format!("{options}, {}, at {}", expiries(strikes.len() as u64), count(counts.times, "time"))
    }
}

/// Whether what a row calls its underlying is an index of its coin, such as `BTC-USD` at OKX, and no contract of a date, which has digits:
/// the price of the coin now is no forward of an expiry. Deribit's `index_price` is one: of options without a future its own marks and
/// volatilities are computed on it.
fn is_index(cell: Cell<'_>, instrument: &Instrument) -> bool {
    let Cell::Text(text) = cell else { return false };
    text.contains(instrument.base.as_str()) && !text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether a bid or ask is over ten times what the option is worth at most: a call its coin, a put its strike. Asks that are a little over
/// that are quoted. Where the price of the coin has to be known for that and is not, nothing is.
fn is_too_dear(quote: &OptionQuote, kind: InstrumentKind) -> bool {
    let Some((strike, right)) = kind.option() else { return false };
    let in_coin = matches!(kind, InstrumentKind::InverseOption { .. });
    let (strike, coin) = (strike.approximate(), quote.underlying().map(Price::approximate));
    let most = match (right, in_coin) {
        (OptionRight::Call, true) => Some(1.0),
        (OptionRight::Call, false) => coin,
        (OptionRight::Put, true) => coin.map(|coin| strike / coin),
        (OptionRight::Put, false) => Some(strike),
    };
    let over = |price: Price| most.is_some_and(|most| price.approximate() > 10.0 * most);
    quote.bid().is_some_and(over) || quote.ask().is_some_and(over)
}

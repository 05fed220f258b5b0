//! What a portfolio gains or loses under joint moves, and what is left of its margin by each venue's own rules.

use super::book::{Book, Group, VOL_TOLD, Whole};
use super::margin::as_text;
use super::shape::Wrong;
use super::venue::{Own, Request, parameters, split};
use market::{Currency, is_dollar};
use pricing::options::Simd;
use pricing::surface::Sticky;
use risk::collateral::{Balance, Collateral};
use risk::scenario::{
    Basis, MarginChange, Move, NamedStress, Outcomes, Portfolio, Revaluation, Scenario, ScenarioError, VolMove,
};
use risk::venues::{Parameters, VenueRules, moved};
use serde::Serialize;
use std::collections::BTreeSet;
use units::{AccountId, Timestamp};

/// What is asked.
#[derive(Debug, Clone)]
pub struct StressRequest {
    /// Parameters of the venues and how old marks may be.
    pub request: Request,
    /// Stresses, in the order in which they are told.
    pub stresses: Vec<NamedStress>,
    /// Returns of all coins and relative moves of all volatilities, each with each.
    pub grid: Option<(Vec<f64>, Vec<f64>)>,
    /// What of a smile stays when the forward moves.
    pub sticky: Sticky,
}

/// A number of a stress, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumberView {
    /// `recorded`, `reported` or `assumed`.
    pub basis: String,
    /// `spot`, `peg`, `vol.relative`, …
    pub field: String,
    /// Of what.
    pub subject: String,
    /// The number.
    pub value: f64,
}

/// Profit of one holding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HoldingView {
    /// The account.
    pub account: String,
    /// The symbol, or the currency of a balance.
    pub holding: String,
    /// In dollars.
    pub profit: f64,
}

/// What is left of a margin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AfterView {
    /// The account.
    pub account: String,
    /// Whose rules.
    pub model: String,
    /// In what its amounts are.
    pub currency: String,
    /// What bears the margin after the move.
    pub equity: Option<f64>,
    /// Initial margin after it.
    pub initial: Option<f64>,
    /// Maintenance margin after it.
    pub maintenance: Option<f64>,
    /// Whether it is liquidated then.
    pub is_liquidated: Option<bool>,
    /// Isolated positions that are liquidated by themselves.
    pub isolated_liquidated: Vec<String>,
    /// Why there are no figures.
    pub absent: Option<String>,
}

impl StressView {
    /// Whether margins were asked for, and of none there is a figure.
    #[must_use]
    pub fn has_no_margin(&self) -> bool {
        self.is_margined && self.now.iter().all(|now| now.maintenance.is_none())
    }
}

impl AfterView {
    /// Whether the account, or a position that is margined by itself, is under its maintenance margin.
    #[must_use]
    pub fn is_under(&self) -> bool {
        self.is_liquidated == Some(true) || !self.isolated_liquidated.is_empty()
    }
}

/// Volatilities of the options that are held, after a stress.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct VolsView {
    /// The least. At 0 an option is worth what exercise would give: a move that leads under it ends there.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

/// A change of a venue's margin parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterView {
    /// Venue and name: `deribit.price_range`.
    pub parameter: String,
    /// What is multiplied by it, wherever it stands: after ÷ before as the stress tells them.
    pub factor: f64,
    /// The rows of accounts' parameters that it changes.
    pub rows: Vec<ParameterRow>,
}

/// A row of an account's parameters that a stress changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterRow {
    /// The account.
    pub account: String,
    /// The row.
    pub name: String,
    /// Its value.
    pub before: String,
    /// Its value under the stress.
    pub after: String,
}

/// One stress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StressRow {
    /// Its name.
    pub name: String,
    /// What happened, or is feared.
    pub title: String,
    /// Profit of the whole portfolio in dollars; negative is a loss.
    pub profit: Option<f64>,
    /// Why there is none.
    pub absent: Option<String>,
    /// By holding.
    pub holdings: Vec<HoldingView>,
    /// What is left of each account's margin.
    pub after: Vec<AfterView>,
    /// Its numbers, and what they rest on.
    pub numbers: Vec<NumberView>,
    /// By what it multiplies the price of each coin and stablecoin that anything here depends on, less one; in order.
    pub moves: Vec<(String, f64)>,
    /// The least and the largest volatility of options here after it, if there are any.
    pub vols: Option<VolsView>,
    /// What it does to venues' margin parameters.
    pub parameters: Vec<ParameterView>,
    /// Where the numbers are from: of what, and the source.
    pub sources: Vec<(String, String)>,
    /// Changes of venues' parameters that no rule here has.
    pub not_applied: Vec<String>,
}

/// Profit of the whole portfolio over spot and volatility, in dollars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GridView {
    /// Returns of all coins.
    pub spots: Vec<f64>,
    /// Relative moves of all volatilities.
    pub vols: Vec<f64>,
    /// Spot by spot, each volatility by volatility.
    pub profits: Vec<f64>,
}

/// How what lies at venues is spread, in shares of what is held net of debts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConcentrationView {
    /// Worth at the market, in dollars.
    pub market: f64,
    /// The same less haircuts.
    pub counted: f64,
    /// By venue, the largest first.
    pub venues: Vec<(String, f64)>,
    /// Sum of the squared shares of venues.
    pub venues_herfindahl: Option<f64>,
    /// By stablecoin, the largest first.
    pub stablecoins: Vec<(String, f64)>,
    /// Sum of the squared shares of stablecoins.
    pub stablecoins_herfindahl: Option<f64>,
    /// What of all is in stablecoins.
    pub stablecoin_share: Option<f64>,
    /// What it would be worth after the pegs of the stablecoin stress, in dollars.
    pub after_depeg: Option<f64>,
}

/// A portfolio under stresses.
#[derive(Debug, Clone, Serialize)]
pub struct StressView {
    /// When it held.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// In what all amounts are but those of margins: USD, whatever the accounts' own currencies.
    pub currency: String,
    /// What all is worth now, in dollars.
    pub value: Option<f64>,
    /// Margins now, as they would stand after no move.
    pub now: Vec<AfterView>,
    /// Stress by stress.
    pub stresses: Vec<StressRow>,
    /// The user's own grid.
    pub grid: Option<GridView>,
    /// What lies at venues; `None`: no balance has a price.
    pub concentration: Option<ConcentrationView>,
    /// Whether any account says at which venue it is, so that a margin is asked for.
    #[serde(skip)]
    pub is_margined: bool,
    /// `strike`, also where no surface was fitted that could move along; or `moneyness`.
    pub sticky: String,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Puts a portfolio under stresses.
///
/// # Errors
///
/// Everything that no scenario can move or price, by the row of the file; a grid whose numbers cannot be.
pub fn stress(book: &Book, asked: &StressRequest) -> Result<StressView, Vec<Wrong>> {
    let mut wholes = book.wholes(asked.request.max_age);
    let wrong: Vec<Wrong> = wholes.iter().filter_map(|whole| Account::new(book, whole).err()).flatten().collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut notes = Vec::new();
    notes.extend(book.in_window());
    for doubt in wholes.iter().flat_map(|whole| book.doubts(&whole.portfolio)) {
        if !notes.contains(&doubt) {
            notes.push(doubt);
        }
    }
    let mut margins = margins(book, asked, &mut notes)?;
    if asked.request.parameters.is_some() {
        price_by_own(&mut margins, &mut wholes)?;
    }
    check_parameters(asked, &margins)?;
    notes.extend(quantos(asked, &wholes));
    let accounts = wholes.iter().map(|whole| Account::new(book, whole)).collect::<Result<Vec<_>, _>>();
    let mut accounts: Vec<Account<'_>> = accounts?;
    let still = Scenario::still("now");
    let after = |scenario: &Scenario, changes: &[MarginChange]| -> Vec<AfterView> {
        margins.iter().map(|margin| margin.after(book, scenario, changes)).collect()
    };
    let now = after(&still, &[]);
    let value = total(book, &mut accounts, &still).ok().map(|(_, value, _)| value);
    let mut rows = Vec::new();
    let pegged = pegged(asked);
    // What one of them takes for a stablecoin is one in all of them.
    for account in &mut accounts {
        asked.stresses.iter().for_each(|stress| account.peg(stress));
    }
    notes.extend(taken_for_coins(book, &pegged));
    for stress in &asked.stresses {
        let mut scenario = Scenario { sticky: asked.sticky, ..stress.scenario.clone() };
        let named = |scenario: &Scenario, of: Currency| scenario.dollars.iter().any(|(known, _)| *known == of);
        let unnamed: Vec<Currency> = pegged.iter().copied().filter(|of| !named(&scenario, *of)).collect();
        for of in unnamed {
            // One that this stress moves by a price of its own goes there.
            let own = scenario.spot.each.iter().find(|(coin, _)| *coin == of);
            let by = if let Some((_, Move::Return(by))) = own { *by } else { 0.0 };
            scenario.dollars.push((of, by));
        }
        let without = without_vol(book, &mut scenario, &mut notes, &stress.name);
        let (profit, holdings, absent) = match without {
            Some(reason) => (None, Vec::new(), Some(reason)),
            None => match total(book, &mut accounts, &scenario) {
                Ok((profit, _, holdings)) => (Some(profit), holdings, None),
                Err(error) => (None, Vec::new(), Some(error.to_string())),
            },
        };
        let parameters: Vec<ParameterView> = stress.margin.iter().map(|change| changed(&margins, change)).collect();
        let not_applied = parameters.iter().filter(|view| view.rows.is_empty()).map(|view| view.parameter.clone());
        let not_applied = not_applied.collect();
        let moves = moves(book, &scenario);
        let vols = vols(book, &wholes, &scenario);
        notes.extend(vols.and_then(|vols| wild(&stress.name, vols)));
        let after = after(&scenario, &stress.margin);
        rows.push(StressRow {
            name: stress.name.clone(),
            title: stress.title.clone(),
            profit,
            absent,
            holdings,
            after,
            numbers: stress
                .numbers
                .iter()
                .map(|number| NumberView {
                    basis: number.basis.to_string(),
                    field: number.field.clone(),
                    subject: number.subject.clone(),
                    value: number.value,
                })
                .collect(),
            moves,
            vols,
            parameters,
            sources: stress.sources.clone(),
            not_applied,
        });
    }
    let strikes = asked.sticky == Sticky::Strike || !book.has_smiles();
    let grid = match &asked.grid {
        None => None,
        Some((spots, by)) => {
            let most = by.iter().copied().fold(0.0, f64::max);
            let largest = Scenario { vol: VolMove::relative(most), ..Scenario::still("grid") };
            notes.extend(vols(book, &wholes, &largest).and_then(|vols| wild("grid", vols)));
            Some(grid(book, &mut accounts, asked.sticky, spots, by)?)
        }
    };
    Ok(StressView {
        time: book.time(),
        currency: Currency::USD.to_string(),
        value,
        now,
        stresses: rows,
        grid,
        concentration: concentration(book, &pegged),
        is_margined: book.venues().any(|(_, venue, _)| venue.is_some()),
        sticky: if strikes { "strike" } else { "moneyness" }.to_owned(),
        notes,
    })
}

/// What any of the stresses takes for a stablecoin that no table knows.
fn pegged(asked: &StressRequest) -> Vec<Currency> {
    let named = asked.stresses.iter().flat_map(NamedStress::stablecoins).filter(|coin| !is_dollar(*coin));
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a currency that is taken for a coin looks like one that is held to something.
fn looks_pegged(code: Currency, price: f64) -> bool {
    const NAMES: [&str; 8] = ["UST", "USTC", "FRAX", "GHO", "MIM", "DOLA", "EURC", "EURT"];
    let is_named = code.as_str().contains("USD") || NAMES.contains(&code.as_str());
    (is_named && (0.2..=2.0).contains(&price)) || (0.98..=1.02).contains(&price)
}

/// What is held that looks like a stablecoin and moves as a coin, by the row of its price.
fn taken_for_coins(book: &Book, pegged: &[Currency]) -> Vec<String> {
    let mut notes = Vec::new();
    for (at, row) in book.prices().enumerate() {
        let code = row.currency;
        let is_known = is_dollar(code) || pegged.contains(&code);
        if !is_known && book.coins().contains(&code) && looks_pegged(code, row.price) {
            notes.push(format!(
                "prices[{at}]: {code} is taken for a coin and moves as one (`others`); if it is a stablecoin, say so in a stress file of \
                 your own, `text,stablecoin,{code},what it is held to`, or move it there by `peg`"
            ));
        }
    }
    notes
}

/// Leaves coins that a stress moves by deviations, and whose volatility the file does not state, where they are: what nothing hangs on,
/// and, which is said, balances of what looks like a stablecoin. Of others it says why there is no profit.
fn without_vol(book: &Book, scenario: &mut Scenario, notes: &mut Vec<String>, name: &str) -> Option<String> {
    let held = book.held();
    let coins = book.coins();
    for (at, row) in book.prices().enumerate() {
        let code = row.currency;
        let moves = matches!(scenario.spot.of(code), Move::Deviations(_))
            && !is_dollar(code)
            && !scenario.dollars.iter().any(|(named, _)| *named == code);
        if row.vol.is_some() || !moves {
            continue;
        }
        let in_contract = |(_, of): &(String, market::Instrument)| [of.base, of.quote, of.settle].contains(&code);
        let is_traded = held.iter().any(in_contract);
        if coins.contains(&code) && (is_traded || !looks_pegged(code, row.price)) {
            return Some(format!(
                "prices[{at}]: {code} moves by deviations of a day and has no volatility; state its `vol`"
            ));
        }
        if coins.contains(&code) {
            notes.push(format!(
                "prices[{at}]: {code} states no `vol`, by which {name} moves coins: what is held of it stands still there, all else is \
                 moved; add its `vol`, or call it a stablecoin in a stress file"
            ));
        }
        scenario.dollars.push((code, 0.0));
    }
    None
}

/// An account ready to be moved.
struct Account<'a> {
    whole: &'a Whole,
    portfolio: Portfolio,
    revaluation: Revaluation,
    outcomes: Outcomes,
}

impl<'a> Account<'a> {
    fn new(book: &Book, whole: &'a Whole) -> Result<Self, Vec<Wrong>> {
        let portfolio = scenarios_of(book, whole)?;
        let revaluation = Revaluation::new(Simd::best());
        Ok(Self { whole, portfolio, revaluation, outcomes: Outcomes::default() })
    }

    /// Takes for a stablecoin what a stress takes for one, where it has a price.
    fn peg(&mut self, stress: &NamedStress) {
        for coin in stress.stablecoins().filter(|coin| !is_dollar(*coin)) {
            let priced = self.whole.portfolio.underlyings.iter().find(|row| row.currency == coin);
            if let Some(priced) = priced {
                // It had that price before.
                let _ = self.portfolio.set_stablecoin(coin, priced.index);
            }
        }
    }

    fn run(&mut self, book: &Book, scenarios: &[Scenario]) -> Result<&Outcomes, ScenarioError> {
        let positions = &self.whole.portfolio.positions;
        // Where no smile is known it is flat, so that nothing follows.
        let follow = |line: usize, log_moneyness: f64, by: f64| {
            let symbol = positions.get(line).map(|position| &position.instrument.symbol);
            let vol = |place: f64| symbol.and_then(|symbol| book.smile(symbol, place)).unwrap_or_default();
            vol(log_moneyness - by) - vol(log_moneyness)
        };
        self.revaluation.run_on(&self.portfolio, scenarios, &mut self.outcomes, follow)?;
        Ok(&self.outcomes)
    }
}

/// All that an account holds, ready for scenarios.
pub(super) fn scenarios_of(book: &Book, whole: &Whole) -> Result<Portfolio, Vec<Wrong>> {
    let of = |account: &risk::venues::Portfolio| Portfolio::of(account, Currency::USD);
    let all_wrong = |first| whole.rows.all_wrong(&whole.portfolio, first, |rest| of(rest).map(|_| ()));
    let mut portfolio = of(&whole.portfolio).map_err(all_wrong)?;
    for (at, row) in book.prices().enumerate() {
        if let Some(vol) = row.vol {
            let refused = |error: ScenarioError| {
                let remedy = "correct the price or its volatility";
                vec![Wrong::new(format_args!("prices[{at}].vol"), format_args!("{}: {error}", row.currency), remedy)]
            };
            portfolio.set_vol(row.currency, vol).map_err(refused)?;
        }
    }
    Ok(portfolio)
}

/// What a line of the scenarios' portfolio is.
pub(super) fn holding(whole: &Whole, line: usize) -> String {
    let held = &whole.portfolio;
    let balances = held.positions.len()..held.positions.len() + held.balances.len();
    match line {
        line if line < held.positions.len() => held.positions[line].instrument.symbol.clone(),
        line if balances.contains(&line) => held.balances[line - balances.start].currency.to_string(),
        _ => "set aside for isolated positions".to_owned(),
    }
}

/// Profit and value of all accounts under one scenario, and profit by holding.
fn total(
    book: &Book,
    accounts: &mut [Account<'_>],
    scenario: &Scenario,
) -> Result<(f64, f64, Vec<HoldingView>), ScenarioError> {
    let (mut profit, mut value, mut holdings) = (0.0, 0.0, Vec::new());
    for account in accounts {
        let outcomes = account.run(book, std::slice::from_ref(scenario))?;
        profit += outcomes.total(0);
        value += outcomes.value();
        let profits: Vec<f64> = outcomes.profits(0).collect();
        for (line, profit) in profits.into_iter().enumerate() {
            let (holding, account) = (self::holding(account.whole, line), account.whole.account.clone());
            holdings.push(HoldingView { account, holding, profit });
        }
    }
    Ok((profit, value, holdings))
}

fn grid(
    book: &Book,
    accounts: &mut [Account<'_>],
    sticky: Sticky,
    spots: &[f64],
    vols: &[f64],
) -> Result<GridView, Vec<Wrong>> {
    let moves: Vec<VolMove> = vols.iter().map(|vol| VolMove::relative(*vol)).collect();
    let like = Scenario { sticky, ..Scenario::still("grid") };
    let scenarios = Scenario::grid(spots, &moves, &like);
    let mut profits = vec![0.0; scenarios.len()];
    for account in accounts {
        let refused = |error: ScenarioError| vec![Wrong::new("", error, "move it less")];
        let outcomes = account.run(book, &scenarios).map_err(refused)?;
        profits.iter_mut().zip(outcomes.totals()).for_each(|(sum, profit)| *sum += profit);
    }
    Ok(GridView { spots: spots.to_vec(), vols: vols.to_vec(), profits })
}

/// Puts what the user's own parameters say that prices are in, in place of what comes with Trimtab.
fn price_by_own(margins: &mut [Margined], wholes: &mut [Whole]) -> Result<(), Vec<Wrong>> {
    let refused = |error| vec![Wrong::new("", format_args!("--parameters: {error}"), "correct it")];
    for Margined { group, parameters } in margins {
        let whole = wholes.iter_mut().filter(|whole| whole.account == group.account);
        let held = whole.flat_map(|whole| &mut whole.portfolio.positions).chain(&mut group.portfolio.positions);
        for position in held {
            position.priced_in = parameters.priced_in(position.instrument.base).map_err(refused)?;
        }
    }
    Ok(())
}

/// Names, where a stress moves a stablecoin, what contracts pay in another currency than their prices are in.
fn quantos(asked: &StressRequest, wholes: &[Whole]) -> Vec<String> {
    let moves_dollars = asked.stresses.iter().any(|stress| !stress.scenario.dollars.is_empty());
    let held = wholes.iter().flat_map(|whole| whole.portfolio.positions.iter().map(move |held| (whole, held)));
    let told = held.filter_map(|(whole, held)| {
        let (priced, paid) = (held.priced_in(), held.instrument.settle);
        let is_linear = paid != held.instrument.base && !held.quantity.is_zero();
        (moves_dollars && is_linear && priced != paid).then_some((whole.account.as_str(), priced, paid))
    });
    let told: BTreeSet<(&str, Currency, Currency)> = told.collect();
    let note = |(account, priced, paid): (&str, Currency, Currency)| {
        format!(
            "contracts of {account} pay {paid} by prices in {priced}, one to one: when {paid} alone leaves its peg, no price \
             of theirs moves (`priced_in` of the venue's parameters); margin does by collateral in coin, and where the venue's rules \
             count the peg itself (Derive's initial margin)"
        )
    };
    told.into_iter().map(note).collect()
}

/// A part of an account that is margined together, with its venue's parameters.
struct Margined {
    group: Group,
    parameters: Parameters,
}

/// Every account whose venue's rules are known; of the others it is said why not.
fn margins(book: &Book, asked: &StressRequest, notes: &mut Vec<String>) -> Result<Vec<Margined>, Vec<Wrong>> {
    let mut found = Vec::new();
    let mut asked_for: Vec<&str> = Vec::new();
    for (account, venue, margin) in book.venues() {
        let Some(venue) = venue else {
            notes.push(format!("no margin of {account}: its venue is not stated"));
            continue;
        };
        if VenueRules::of(venue, margin).is_none() {
            let why = match split(venue) {
                Ok(_) => format!("{venue} has two margins; state `margin`, standard or portfolio"),
                Err(_) => format!("the rules of {venue} are not known"),
            };
            notes.push(format!("no margin of {account}: {why}"));
        } else if !asked_for.contains(&venue) {
            asked_for.push(venue);
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for venue in asked_for {
        match book.groups(venue, asked.request.max_age) {
            Ok(found) => groups.extend(found),
            Err(wrong) => notes.extend(wrong.iter().map(|wrong| format!("no margin at {venue}: {wrong}"))),
        }
    }
    let rules: Vec<_> = groups.iter().map(|group| (group.rules, group.coin)).collect();
    let own = Own::new(&asked.request, &rules, book.time())?;
    for group in groups {
        match parameters((group.rules, group.coin), &group.rows.first(), own.as_ref()) {
            Ok(parameters) => found.push(Margined { group, parameters }),
            Err(wrong) => notes.push(format!("no margin of {}: {}: {}", group.account, wrong.path, wrong.what)),
        }
    }
    if let Some(own) = &own {
        let whose: BTreeSet<&str> =
            rules.iter().filter(|(rules, coin)| own.is_for(*rules, *coin)).map(|(rules, _)| rules.venue()).collect();
        let whose: Vec<&str> = whose.into_iter().collect();
        notes.push(format!(
            "--parameters: {} of {}",
            if own.is_whole { "in place of those" } else { "rows" },
            whose.join(" and ")
        ));
    }
    Ok(found)
}

/// The rows of `parameters` that a change is of, with their values after it: what is a number is multiplied. Of `leverage` it is the
/// leverage that rows of several numbers tell, be it as such or as rates of margin, of which none goes over the whole.
fn scaled<'a>(
    rules: VenueRules,
    parameters: &'a Parameters,
    name: &str,
    factor: f64,
) -> Vec<(&'a str, &'a str, String)> {
    let rate = |text: &str| text.parse::<f64>().ok().map(|rate| format!("{:.12}", (rate / factor).min(1.0)));
    let leverage = |row: &str, value: &str| {
        let parts: Vec<&str> = value.split(':').collect();
        match (rules, parts.as_slice()) {
            (VenueRules::DeribitStandard, [initial, maintenance, more]) if row.starts_with("future.") => {
                Some(format!("{}:{}:{more}", rate(initial)?, rate(maintenance)?))
            }
            (VenueRules::Hyperliquid, [floor, leverage]) if row.starts_with("tier.") => {
                let leverage: f64 = leverage.parse().ok()?;
                Some(format!("{floor}:{}", (leverage * factor).max(1.0)))
            }
            (VenueRules::Dydx, [initial, rest @ ..]) if row.starts_with("class.") => {
                Some(std::iter::once(rate(initial)?.as_str()).chain(rest.iter().copied()).collect::<Vec<_>>().join(":"))
            }
            (VenueRules::Binance | VenueRules::Bybit | VenueRules::Okx, [floor, initial, maintenance])
                if row.starts_with("tier.") =>
            {
                Some(format!("{floor}:{}:{}", rate(initial)?, rate(maintenance)?))
            }
            _ => None,
        }
    };
    let row = |(row, value): (&'a str, &'a str)| {
        let is_range = name == "vol_range" && matches!(row, "vol_range_up" | "vol_range_down");
        let after = match name {
            "leverage" => leverage(row, value)?,
            _ if row == name || is_range => (value.parse::<f64>().ok()? * factor).to_string(),
            _ => return None,
        };
        Some((row, value, after))
    };
    parameters.rows().filter_map(row).collect()
}

/// What a change of a venue's parameters does to each account.
fn changed(margins: &[Margined], change: &MarginChange) -> ParameterView {
    let (venue, name) = change.parameter.split_once('.').unwrap_or_default();
    let rows = margins.iter().filter(|margin| margin.group.rules.venue() == venue).flat_map(|margin| {
        let rows = scaled(margin.group.rules, &margin.parameters, name, change.factor());
        rows.into_iter().map(|(row, before, after)| ParameterRow {
            account: margin.group.account.clone(),
            name: row.to_owned(),
            before: before.to_owned(),
            after,
        })
    });
    let mut told: Vec<ParameterRow> = Vec::new();
    // Parts of an account that settle in several currencies have the same rows.
    rows.for_each(|row| {
        if !told.contains(&row) {
            told.push(row);
        }
    });
    ParameterView { parameter: change.parameter.clone(), factor: change.factor(), rows: told }
}

/// The names that a stress may change of a venue's parameters.
fn names(rules: VenueRules, parameters: &Parameters) -> BTreeSet<String> {
    let words = ["leverage", "vol_range"].into_iter();
    let known = words.filter(|word| !scaled(rules, parameters, word, 1.0).is_empty()).map(str::to_owned);
    let numbers = parameters.rows().filter(|(_, value)| value.parse::<f64>().is_ok());
    numbers.map(|(name, _)| name.to_owned()).chain(known).collect()
}

/// Refuses changes of parameters that no rules of their venue have, with what is meant.
fn check_parameters(asked: &StressRequest, margins: &[Margined]) -> Result<(), Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (stress, change) in asked.stresses.iter().flat_map(|stress| stress.margin.iter().map(move |of| (stress, of))) {
        let (venue, name) = change.parameter.split_once('.').unwrap_or_default();
        let place = format!("--stress: `{}` changes `{}`", stress.name, change.parameter);
        let venues: Vec<&str> = VenueRules::venues().collect();
        if !venues.contains(&venue) {
            let remedy = match policy::nearest(venue, venues.iter().copied()) {
                Some(near) => format!("did you mean `{near}.{name}`?"),
                None => format!("it is one of {}", super::shape::one_of(&venues)),
            };
            wrong.push(Wrong::new("", format_args!("{place}, and no venue `{venue}` is known"), remedy));
            continue;
        }
        let all = ["standard", "portfolio"].into_iter().filter_map(|margin| VenueRules::of(venue, Some(margin)));
        let coins = ["BTC", "ETH"].into_iter().filter_map(|coin| coin.parse().ok());
        let mut known: BTreeSet<String> = all
            .flat_map(|rules| coins.clone().filter_map(move |coin| Some((rules, rules.parameters(coin)?))))
            .flat_map(|(rules, parameters)| names(rules, &parameters))
            .collect();
        let own = margins.iter().filter(|margin| margin.group.rules.venue() == venue);
        known.extend(own.flat_map(|margin| names(margin.group.rules, &margin.parameters)));
        // Tiers that nobody has given yet would be of this.
        if matches!(VenueRules::of(venue, None), Some(VenueRules::Bybit | VenueRules::Okx | VenueRules::Binance)) {
            known.insert("leverage".to_owned());
        }
        if !known.contains(name) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            let remedy = match policy::nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{venue}.{near}`?"),
                None => format!("of {venue} it is one of {}", names.join(", ")),
            };
            wrong.push(Wrong::new("", format_args!("{place}, and no rules of {venue} have that"), remedy));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The least and the largest volatility of what is held, after a scenario.
fn vols(book: &Book, wholes: &[Whole], scenario: &Scenario) -> Option<VolsView> {
    let vol = |coin| book.prices().find(|row| row.currency == coin)?.vol;
    let mut found: Option<VolsView> = None;
    for whole in wholes {
        let positions = &whole.portfolio.positions;
        let smile = |row: usize, place: f64| book.smile(&positions[row].instrument.symbol, place);
        // What cannot be moved has no profit, with its reason.
        let after = moved(&whole.portfolio, scenario, vol, smile).ok()?;
        let held = after.positions.iter().filter(|position| !position.quantity.is_zero());
        for vol in held.filter(|position| position.instrument.kind.is_option()).filter_map(|position| position.vol) {
            let known = found.unwrap_or(VolsView { least: vol, most: vol });
            found = Some(VolsView { least: known.least.min(vol), most: known.most.max(vol) });
        }
    }
    found
}

/// Names volatilities after a stress that no market has had.
fn wild(name: &str, vols: VolsView) -> Option<String> {
    let least = (vols.least <= 0.0).then(|| {
        "volatilities of options that are held fall to nothing or under it, and count as 0: they are worth what exercise gives"
            .to_owned()
    });
    let most = (vols.most > VOL_TOLD).then(|| {
        let most = vols.most * 100.0;
        format!("volatilities of options that are held rise to {most:.0} %; over 10,000 % none is priced")
    });
    let told: Vec<String> = least.into_iter().chain(most).collect();
    (!told.is_empty()).then(|| format!("{name}: {}", told.join("; ")))
}

/// By what a scenario multiplies the price of each currency that anything depends on, less one. What it moves by deviations is told
/// where the volatility is known.
fn moves(book: &Book, scenario: &Scenario) -> Vec<(String, f64)> {
    let mut codes = book.coins();
    codes.extend(book.held().iter().flat_map(|(_, of)| [of.quote, of.settle]));
    let by = |code: &Currency| {
        let peg = scenario.dollars.iter().find(|(named, _)| named == code).map(|(_, by)| *by);
        let vol = || book.prices().find(|row| row.currency == *code)?.vol;
        match (peg, scenario.spot.of(*code)) {
            (Some(by), _) => Some(by),
            (None, _) if is_dollar(*code) => Some(0.0),
            (None, Move::Return(by)) => Some(by),
            (None, Move::Deviations(number)) => {
                Some(units::math::exp(number * vol()? / units::math::sqrt(365.0)) - 1.0)
            }
        }
    };
    let told = codes.iter().filter_map(|code| Some((code.to_string(), by(code)?)));
    told.filter(|(_, by)| *by != 0.0).collect()
}

impl Margined {
    /// Its parameters after a change of the venue's.
    fn after_change(&self, parameters: &mut Parameters, change: &MarginChange) {
        let Some((venue, name)) = change.parameter.split_once('.') else { return };
        if venue != self.group.rules.venue() {
            return;
        }
        let rows = scaled(self.group.rules, parameters, name, change.factor());
        let text: Vec<String> = rows.into_iter().map(|(row, _, after)| format!("{row},{after}")).collect();
        // They were rows before.
        let _ = parameters.replace_rows(&text.join("\n"));
    }

    /// In what its amounts are; where a model refuses what is held, what that settles in.
    fn currency(&self) -> Currency {
        let Group { settle, portfolio, .. } = &self.group;
        let is_in_it = portfolio.positions.iter().any(|position| position.instrument.settle == *settle)
            || portfolio.balances.iter().any(|balance| balance.currency == *settle);
        match portfolio.positions.first() {
            Some(first) if !is_in_it => first.instrument.settle,
            _ => *settle,
        }
    }

    fn after(&self, book: &Book, scenario: &Scenario, changes: &[MarginChange]) -> AfterView {
        let Self { group, .. } = self;
        let mut view = AfterView {
            account: group.account.clone(),
            model: String::new(),
            currency: self.currency().to_string(),
            equity: None,
            initial: None,
            maintenance: None,
            is_liquidated: None,
            isolated_liquidated: Vec::new(),
            absent: None,
        };
        let vol = |coin| book.prices().find(|row| row.currency == coin)?.vol;
        let positions = &group.portfolio.positions;
        let smile = |row: usize, log_moneyness: f64| book.smile(&positions[row].instrument.symbol, log_moneyness);
        let mut parameters = self.parameters.clone();
        changes.iter().for_each(|change| self.after_change(&mut parameters, change));
        let found = moved(&group.portfolio, scenario, vol, smile)
            .and_then(|portfolio| group.margin(&portfolio, &parameters, Simd::best()));
        match found {
            Err(error) => view.absent = Some(group.rows.in_file(error).to_string()),
            Ok((margin, tiered)) => {
                view.model = margin.model.to_owned();
                view.equity = margin.equity.value();
                view.initial = margin.initial.value();
                view.maintenance = margin.maintenance.value();
                view.is_liquidated = margin.maintenance_excess().value().map(|headroom| headroom < 0.0);
                let under = tiered.iter().filter(|own| own.equity.is_some_and(|equity| equity < own.maintenance));
                view.isolated_liquidated = under.map(|own| positions[own.row].instrument.symbol.clone()).collect();
            }
        }
        view
    }
}

fn concentration(book: &Book, pegged: &[Currency]) -> Option<ConcentrationView> {
    let mut venues: Vec<&str> = book.balances().map(|(venue, ..)| venue).collect();
    venues.sort_unstable();
    venues.dedup();
    let price = |currency: Currency| {
        let stated = book.prices().find(|row| row.currency == currency).map(|row| row.price);
        stated.or_else(|| is_dollar(currency).then_some(1.0))
    };
    let balance = |(venue, currency, amount, haircut): (&str, Currency, units::Cash, f64)| {
        let at = venues.iter().position(|known| *known == venue)?;
        Some(Balance { venue: AccountId(u32::try_from(at).ok()?), currency, amount, price: price(currency)?, haircut })
    };
    let collateral = Collateral::new(book.balances().filter_map(balance).collect()).ok()?;
    let depeg = NamedStress::named("stablecoin-depeg");
    let mut named: Vec<Currency> = depeg.as_ref().map(|stress| stress.stablecoins().collect()).unwrap_or_default();
    named.extend(pegged);
    let by_venue = collateral.by_venue()?;
    let by_coin = collateral.by_stablecoin(&named);
    let value = collateral.value();
    Some(ConcentrationView {
        market: value.market,
        counted: value.counted,
        venues: by_venue.shares.iter().map(|(venue, share)| (venues[venue.0 as usize].to_owned(), *share)).collect(),
        venues_herfindahl: Some(by_venue.herfindahl),
        stablecoins: by_coin
            .iter()
            .flat_map(|found| found.shares.iter().map(|(coin, share)| (coin.to_string(), *share)))
            .collect(),
        stablecoins_herfindahl: by_coin.as_ref().map(|found| found.herfindahl),
        stablecoin_share: collateral.stablecoin_share(&named),
        after_depeg: depeg
            .and_then(|stress| collateral.after_pegs(&stress.scenario).ok())
            .map(|after| after.value().market),
    })
}

/// How many of a stress's numbers rest on what: recorded, reported, assumed.
#[must_use]
pub fn bases(row: &StressRow) -> [usize; 3] {
    [Basis::Recorded, Basis::Reported, Basis::Assumed].map(|basis| {
        let name = basis.to_string();
        row.numbers.iter().filter(|number| number.basis == name).count()
    })
}

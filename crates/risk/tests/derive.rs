//! Derive's own test data for PMRM-2, from the shared reference, against the model.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a malformed reference file fails the test; an absent one is named"
)]

use market::{Currency, Instrument, InstrumentKind};
use pricing::options::Simd;
use risk::venues::derive::{CollateralTerms, Pmrm2, Pmrm2Scenario, Pmrm2Terms, VolMove, standard_margin};
use risk::venues::{
    Balance, MarginError, MarginTerms, Parameters, Portfolio, Position, Term, Underlying, VenueRules, marginal,
};
use serde_json::Value;
use std::path::PathBuf;
use units::{Cash, OptionRight, Price, Qty, Round, Timestamp};

#[expect(clippy::disallowed_methods, reason = "tests find and read the shared reference data")]
fn cases() -> Option<Vec<Value>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(shared.join("reference/pricing/derive_pmrm2_cases.jsonl")) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent under CI");
        eprintln!("skipped: shared data absent");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn coin() -> Currency {
    "ETH".parse().unwrap()
}

fn dollar() -> Currency {
    "USDC".parse().unwrap()
}

fn now() -> Timestamp {
    "2025-06-01".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(now().nanos() + seconds * 1_000_000_000)
}

fn instrument(kind: InstrumentKind) -> Instrument {
    let tick = Price::from_raw(1);
    let lot = Qty::from_raw(1);
    let symbol = match kind.option() {
        Some((strike, right)) => format!("derive:ETH-{}-{strike}-{right}", kind.expiry().unwrap()),
        None => "derive:ETH-PERP".to_owned(),
    };
    Instrument { symbol, kind, base: coin(), quote: dollar(), settle: dollar(), tick, lot, min_qty: lot }
}

fn price(value: f64) -> Price {
    Price::from_estimate(value, Round::Nearest).unwrap()
}

fn qty(value: f64) -> Qty {
    Qty::from_estimate(value, Round::Nearest).unwrap()
}

fn cash(value: f64) -> Cash {
    Cash::from_estimate(value, Round::Nearest).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().or(value.as_bool().map(f64::from)).unwrap_or(f64::NAN);
    value.as_array().unwrap().iter().map(number).collect()
}

fn rows(value: &Value) -> impl Iterator<Item = Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers)
}

fn portfolio(case: &Value) -> Portfolio {
    let (spot, perpetual) = (numbers(&case["spot"]), numbers(&case["perp"]));
    let underlying = |currency, index, confidence| Underlying { currency, index, confidence };
    let mut portfolio = Portfolio {
        at: now(),
        balances: vec![Balance { currency: dollar(), amount: cash(case["cash"].as_f64().unwrap()) }],
        underlyings: vec![
            underlying(coin(), spot[0], spot[1]),
            underlying(dollar(), case["stable"].as_f64().unwrap(), 1.0),
        ],
        ..Portfolio::default()
    };
    for (index, collateral) in rows(&case["collateral"]).enumerate() {
        let currency = format!("C{index}").parse().unwrap();
        portfolio.balances.push(Balance { currency, amount: cash(collateral[0]) });
        portfolio.underlyings.push(underlying(currency, collateral[1], collateral[2]));
    }
    if perpetual[0] != 0.0 {
        let mut position = Position::new(instrument(InstrumentKind::LinearPerpetual), qty(perpetual[0]));
        position.mark = Some(price(perpetual[1]));
        position.confidence = perpetual[2];
        position.unrealised = Some(cash(perpetual[3] + perpetual[4]));
        portfolio.positions.push(position);
    }
    for feed in rows(&case["feeds"]) {
        let confidence = feed[2].min(feed[4]).min(feed[5]);
        let (underlying, expiry) = (coin(), after(feed[0] as i64));
        portfolio.expiries.push(Term { underlying, expiry, forward: feed[1], rate: feed[3], confidence });
    }
    for option in rows(&case["options"]) {
        let right = if option[2] == 1.0 { OptionRight::Call } else { OptionRight::Put };
        let (expiry, strike) = (after(option[0] as i64), price(option[1]));
        let kind = InstrumentKind::LinearOption { expiry, strike, right };
        let mut position = Position::new(instrument(kind), qty(option[3]));
        position.vol = Some(option[4]);
        portfolio.positions.push(position);
    }
    portfolio
}

fn terms(case: &Value) -> Pmrm2Terms {
    let get = |group: &str, name: &str| case["params"][group][name].as_f64().unwrap();
    let vol = |name: &Value| match name.as_str().unwrap() {
        "Up" => VolMove::Up,
        "Down" => VolMove::Down,
        "None" => VolMove::Same,
        "LINEAR" => VolMove::Linear,
        "ABS" => VolMove::Absolute,
        other => unreachable!("{other}"),
    };
    let number = |value: &Value| value.as_f64().unwrap();
    let scenario = |row: &Value| Pmrm2Scenario { spot: number(&row[0]), vol: vol(&row[1]), weight: number(&row[2]) };
    let collateral = |(index, row): (usize, Vec<f64>)| CollateralTerms {
        currency: format!("C{index}").parse().unwrap(),
        risk_cancelling: row[3] == 1.0,
        initial: row[4],
        maintenance: row[5],
    };
    Pmrm2Terms {
        scenarios: case["scenarios"].as_array().unwrap().iter().map(scenario).collect(),
        collateral: rows(&case["collateral"]).enumerate().map(collateral).collect(),
        vol_range_up: get("VolShock", "VOLRANGEUP"),
        vol_range_down: get("VolShock", "VOLRANGEDOWN"),
        vol_floor_up: get("VolShock", "MIN_VOL_EVAL_SHOCKED"),
        short_term_power: get("VolShock", "SHORTTERMPOWER"),
        long_term_power: get("VolShock", "LONGTERMPOWER"),
        days_floor: get("VolShock", "DTE_FLOOR"),
        linear_cap: get("SkewShock", "LINEAR_SCALE_CAP"),
        linear_cap_slope: get("SkewShock", "LINEAR_CBASE"),
        absolute_cap: get("SkewShock", "ABS_SCALE_CAP"),
        absolute_cap_slope: get("SkewShock", "ABS_CBASE"),
        width_min: get("SkewShock", "MIN_K_STAR"),
        width_scale: get("SkewShock", "MIN_WIDTH_SCALE"),
        width_vol: get("SkewShock", "VOL_PARAM_STATIC"),
        width_vol_slope: get("SkewShock", "VOL_PARAM_SCALE"),
        initial_factor: get("Margin", "IM_LOSS_FACTOR"),
        maintenance_factor: get("Margin", "MM_LOSS_FACTOR"),
        gain_discount: get("Margin", "BASE_STATIC_DISCOUNT"),
        gain_rate_factor: get("Margin", "LONG_RATE_MULTSCALE"),
        gain_rate_add: get("Margin", "LONG_RATE_ADDSCALE"),
        loss_discount: get("Margin", "BASE_STATIC_DISCOUNT_NEG"),
        loss_rate_factor: get("Margin", "SHORT_RATE_MULTSCALE"),
        loss_rate_add: get("Margin", "SHORT_RATE_ADDSCALE"),
        basis_up: get("BasisContingency", "SCENARIO_SPOT_UP"),
        basis_down: get("BasisContingency", "SCENARIO_SPOT_DOWN"),
        basis_add: get("BasisContingency", "BASIS_CONT_ADD_FACTOR"),
        basis_per_year: get("BasisContingency", "BASIS_CONT_MULT_FACTOR"),
        peg_threshold: get("OtherContingency", "PEG_LOSS_THRESHOLD"),
        peg_factor: get("OtherContingency", "PEG_LOSS_FACTOR"),
        confidence_threshold: get("OtherContingency", "CONF_THRESHOLD"),
        confidence_factor: get("OtherContingency", "CONF_MARGIN"),
        perpetual_maintenance: get("OtherContingency", "MM_PERP_PERCENT"),
        perpetual_initial: get("OtherContingency", "IM_PERP_PERCENT"),
        option_maintenance: get("OtherContingency", "MM_OPTION_PERCENT"),
        option_initial: get("OtherContingency", "IM_OPTION_PERCENT"),
    }
}

fn account(case: &Value) -> Pmrm2 {
    Pmrm2::with(&portfolio(case), terms(case), (coin(), dollar()), Simd::best()).unwrap()
}

fn close(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs()
}

/// All 70 cases: initial and maintenance margin as the venue's own programme has them, to 1e-9 of themselves.
#[test]
fn every_published_case() {
    let Some(cases) = cases() else { return };
    assert_eq!(cases.len(), 70);
    let mut worst_at_basis = 0;
    for case in &cases {
        let sums = account(case).sums();
        let (initial, maintenance) = (case["im"].as_f64().unwrap(), case["mm"].as_f64().unwrap());
        let pair = (sums.initial_excess, sums.maintenance_excess);
        assert!(close(pair.0, initial, 1e-9) && close(pair.1, maintenance, 1e-9), "{}: {pair:?}", case["case"]);
        worst_at_basis += usize::from(sums.worst_scenario.is_none());
    }
    assert!(worst_at_basis > 0, "no case in which the basis decides");
}

/// What `--explain` prints adds up to the margin, and the worst scenario is the worst.
#[test]
fn components_and_scenarios_add_up() {
    let Some(cases) = cases() else { return };
    for case in &cases {
        let account = account(case);
        let (margin, sums) = (account.margin(), account.sums());
        let get = |name: &str| margin.component(name).unwrap().value().unwrap();
        let named = |prefix: &str| -> f64 {
            let all = margin.components.iter().filter(|component| component.name.starts_with(prefix));
            all.map(|component| component.figure.value().unwrap()).sum()
        };
        let equity = get("cash") + named("collateral C") + named("perpetual profit") + named("options of");
        let scale = 1e-9 * (sums.equity.abs() + sums.worst.abs() + 1.0);
        assert!((equity - sums.equity).abs() <= scale);
        assert!((named("option value") - named("options of")).abs() <= scale);
        let maintenance = -get("worst loss") * get("loss factor, maintenance")
            + get("perpetual contingency, maintenance")
            + get("option contingency, maintenance")
            + get("collateral haircut, maintenance");
        assert!((maintenance - margin.maintenance.value().unwrap()).abs() <= scale, "{}", case["case"]);
        let lowest = margin.scenarios.iter().map(|row| row.profit).fold(get("basis contingency"), f64::min);
        assert_eq!(lowest, get("worst loss"));
        if let Some(worst) = margin.worst {
            assert_eq!(margin.scenarios[worst].profit, lowest);
        }
    }
}

/// A fill gives what the portfolio made anew gives, bit for bit, after any history; and so does every vector width.
#[test]
fn a_fill_is_as_good_as_a_portfolio_made_anew() {
    let Some(cases) = cases() else { return };
    let mut filled = 0;
    for case in cases.iter().filter(|case| case["options"].as_array().unwrap().len() >= 3) {
        let mut portfolio = portfolio(case);
        let mut account = account(case);
        for row in 0..portfolio.positions.len() {
            let more = Qty::from_raw((row as i64 % 5 - 2) * 70_000_000 + 1);
            assert!(account.hold(row, Qty::from_raw(999)));
            let quantity = portfolio.positions[row].quantity + more;
            portfolio.positions[row].quantity = quantity;
            assert!(account.hold(row, quantity));
        }
        assert!(!account.hold(portfolio.positions.len(), Qty::from_raw(1)));
        let anew = Pmrm2::with(&portfolio, terms(case), (coin(), dollar()), Simd::portable()).unwrap();
        assert_eq!(account.sums(), anew.sums(), "{}", case["case"]);
        filled += 1;
    }
    assert!(filled > 20);
}

/// The file that comes with the crate is what the venue's test data say, and what it adds is named.
#[test]
fn the_shipped_parameters_are_those_of_the_cases() {
    let Some(cases) = cases() else { return };
    let shipped = Pmrm2Terms::new(&Parameters::derive_pmrm2()).unwrap();
    let published = terms(&cases[0]);
    let far = |(ours, theirs): (&Pmrm2Scenario, &Pmrm2Scenario)| {
        ours.vol != theirs.vol || !close(ours.spot, theirs.spot, 1e-15) || !close(ours.weight, theirs.weight, 1e-15)
    };
    assert_eq!(shipped.scenarios.len(), published.scenarios.len());
    assert!(!shipped.scenarios.iter().zip(&published.scenarios).any(far));
    let scenarios = published.scenarios.clone();
    let perpetual_initial = published.perpetual_initial;
    assert_eq!(Pmrm2Terms { collateral: vec![], scenarios, perpetual_initial, ..shipped.clone() }, published);
    assert!((shipped.perpetual_initial - perpetual_initial).abs() < 1e-15);
    assert_eq!(
        Parameters::derive_pmrm2().notes(),
        [
            "unverified: valid_from = 2025-01-01T00:00:00Z",
            "unverified: collateral.ETH = true:0.005:0.015",
            "unverified: collateral.BTC = true:0.01:0.02"
        ]
    );
}

fn small() -> Portfolio {
    let expiry = after(30 * 86_400);
    let kind = InstrumentKind::LinearOption { expiry, strike: price(3000.0), right: OptionRight::Call };
    let mut call = Position::new(instrument(kind), qty(-1.0));
    call.vol = Some(0.6);
    call.mark = Some(price(180.0));
    Portfolio {
        at: now(),
        balances: vec![Balance { currency: dollar(), amount: cash(2000.0) }],
        positions: vec![call],
        underlyings: vec![
            Underlying { currency: coin(), index: 3000.0, confidence: 1.0 },
            Underlying { currency: dollar(), index: 1.0, confidence: 1.0 },
        ],
        expiries: vec![Term { underlying: coin(), expiry, forward: 3000.0, rate: 0.0, confidence: 1.0 }],
        ..Portfolio::default()
    }
}

/// Everything that is missing is refused by row, in words.
#[test]
fn what_is_missing_is_refused_by_row() {
    let refuse = |change: &dyn Fn(&mut Portfolio)| {
        let mut portfolio = small();
        change(&mut portfolio);
        Pmrm2::new(&portfolio, &Parameters::derive_pmrm2(), (coin(), dollar()), Simd::portable())
            .unwrap_err()
            .to_string()
    };
    let symbol = small().positions[0].instrument.symbol.clone();
    for (change, words) in [
        (
            (&|portfolio: &mut Portfolio| portfolio.positions[0].vol = None) as &dyn Fn(&mut Portfolio),
            format!("position 0: `{symbol}` has no volatility; state it"),
        ),
        (
            &|portfolio| portfolio.positions[0].vol = Some(f64::NAN),
            format!("position 0: the volatility of {symbol} is NaN; it must be 0 or more"),
        ),
        (
            &|portfolio| portfolio.expiries.clear(),
            format!("position 0: `{symbol}` has no forward for {}; state it", after(30 * 86_400)),
        ),
        (&|portfolio| portfolio.underlyings.truncate(1), "position 0: USDC has no index; state its price".to_owned()),
        (
            &|portfolio| portfolio.at = "2024-01-01".parse().unwrap(),
            "the parameters `derive-pmrm2` hold from 2025-01-01T00:00:00Z, not at 2024-01-01T00:00:00Z; \
             give the venue's parameters of that time"
                .to_owned(),
        ),
        (
            &|portfolio| portfolio.at = after(40 * 86_400),
            format!("position 0: `{symbol}` was settled at {}; take it out", after(30 * 86_400)),
        ),
        (
            &|portfolio| portfolio.balances.push(Balance { currency: "DOGE".parse().unwrap(), amount: cash(1.0) }),
            "balance 1: the parameters have no terms for DOGE as collateral; add the venue's, as \
             `collateral.DOGE,risk-cancelling:haircut of initial:of maintenance margin`"
                .to_owned(),
        ),
        (
            &|portfolio| portfolio.positions[0].instrument.base = "BTC".parse().unwrap(),
            format!(
                "position 0: Derive PMRM-2 has no rule for `{symbol}`; margin it by the venue that lists it, and what is on another \
                 coin in an account of its own"
            ),
        ),
        (
            &|portfolio| portfolio.expiries[0].forward = -1.0,
            format!("position 0: the forward of {symbol} is -1; it must be over 0, up to 1000000000000000"),
        ),
    ] {
        assert_eq!(refuse(change), words);
    }
}

/// One call more is what the portfolio with it needs, less what it needs without; and the orders that hurt are found among all.
#[test]
fn one_unit_more_and_the_worst_of_the_orders() {
    let model = |portfolio: &Portfolio| -> Result<risk::venues::Margin, MarginError> {
        Ok(Pmrm2::new(portfolio, &Parameters::derive_pmrm2(), (coin(), dollar()), Simd::best())?.margin())
    };
    let mut portfolio = small();
    let more = marginal(&portfolio, 0, qty(-1.0), model).unwrap();
    let two = more.after.initial.value().unwrap();
    let one = model(&portfolio).unwrap().initial.value().unwrap();
    // Nothing offsets: two need twice of one.
    assert!(close(more.initial.unwrap(), one, 1e-12) && close(two, 2.0 * one, 1e-12));
    assert!(marginal(&portfolio, 1, qty(1.0), model).is_err());

    // A buy closes the short; a sale doubles it: the worst is the sale alone.
    let order = |quantity: f64| risk::venues::Order { position: 0, quantity: qty(quantity), price: price(180.0) };
    portfolio.orders = vec![order(1.0), order(-1.0)];
    let worst = risk::venues::worst_orders(&portfolio, model).unwrap();
    assert_eq!(worst.filled, [1]);
    assert!(worst.needed > 0.5 * one);
    portfolio.orders = vec![order(1.0); risk::venues::ORDERS_MAX + 1];
    assert_eq!(risk::venues::worst_orders(&portfolio, model), Err(MarginError::TooManyOrders { count: 13 }));
}

/// SRM by hand, spot 3,000: nothing outside exists. A call at 3,150 with a mark of 100 is 5 % out of the money, so 13 % of spot is the
/// floor that counts: 390 + 100; maintenance 270 + 100. A vertical needs its width of 200. Calls sold without cover beyond their strikes
/// are charged 1.2 forwards, so they are margined each by itself.
/// 150,000 USDC and 20 ETH at 2,500 less 1.5 % by PMRM-2, 70 % of it by an SRM that has such a row; a debt counts in full.
#[test]
fn collateral_counts_less_its_haircut() {
    let at = |eth: f64| Portfolio {
        at: now(),
        balances: vec![
            Balance { currency: dollar(), amount: cash(150_000.0) },
            Balance { currency: coin(), amount: cash(eth) },
        ],
        underlyings: vec![
            Underlying { currency: coin(), index: 2_500.0, confidence: 1.0 },
            Underlying { currency: dollar(), index: 1.0, confidence: 1.0 },
        ],
        ..Portfolio::default()
    };
    let terms = MarginTerms::of(coin(), dollar());
    let value = |rules: VenueRules, eth: f64, parameters: &Parameters| {
        rules.collateral(&at(eth), parameters, &terms).map(|figure| figure.value().unwrap())
    };
    let (pmrm2, mut srm) = (Parameters::derive_pmrm2(), Parameters::derive_srm());
    assert_eq!(value(VenueRules::DerivePortfolio, 20.0, &pmrm2), Ok(150_000.0 + 50_000.0 * 0.985));
    assert_eq!(value(VenueRules::DerivePortfolio, -20.0, &pmrm2), Ok(100_000.0));
    let refused = value(VenueRules::DeriveStandard, 20.0, &srm).unwrap_err().to_string();
    assert!(refused.starts_with("balance 1: ") && refused.contains("collateral_factor.ETH"), "{refused}");
    srm.replace("collateral_factor.ETH", "0.7");
    assert_eq!(value(VenueRules::DeriveStandard, 20.0, &srm), Ok(185_000.0));
    // Elsewhere a currency bears what settles in it.
    assert_eq!(value(VenueRules::Hyperliquid, 20.0, &Parameters::hyperliquid()), Ok(150_000.0));
}

#[test]
fn standard_margin_by_hand() {
    let option = |strike: f64, right: OptionRight, quantity: f64, mark: f64| {
        let expiry = after(30 * 86_400);
        let kind = InstrumentKind::LinearOption { expiry, strike: price(strike), right };
        let mut position = Position::new(instrument(kind), qty(quantity));
        position.mark = Some(price(mark));
        position
    };
    let margin = |positions: Vec<Position>| {
        let portfolio = Portfolio { positions, ..small() };
        standard_margin(&portfolio, &Parameters::derive_srm(), dollar()).unwrap()
    };
    use OptionRight::{Call, Put};
    for (positions, initial, maintenance) in [
        (vec![option(3150.0, Call, -2.0, 100.0)], 980.0, 740.0),
        (vec![option(3000.0, Call, -1.0, 180.0)], 630.0, 450.0),
        (vec![option(3000.0, Call, 5.0, 180.0)], 0.0, 0.0),
        (vec![option(3000.0, Call, -1.0, 180.0), option(3200.0, Call, 1.0, 90.0)], 200.0, 200.0),
        (vec![option(2800.0, Put, -1.0, 50.0), option(2900.0, Put, 1.0, 90.0)], 0.0, 0.0),
        // Deep in the money: 9 % of the mark is under 9 % of spot; maintenance 2,270, and 1.05 of it is under 450 + 2,000.
        (vec![option(5000.0, Put, -1.0, 2000.0)], 2450.0, 2270.0),
        // 9 % of a mark of 6,100 is 549: maintenance 6,649, and 1.05 of it is over 450 + 6,100.
        (vec![option(9000.0, Put, -1.0, 6100.0)], 6981.45, 6649.0),
        // Puts lose their strike at most.
        (vec![option(100.0, Put, -1.0, 0.5)], 100.0, 100.0),
    ] {
        let found = margin(positions.clone());
        let pair = (found.initial.value().unwrap(), found.maintenance.value().unwrap());
        assert!(close(pair.0, initial, 1e-12) && close(pair.1, maintenance, 1e-12), "{positions:?}: {pair:?}");
        assert_eq!(found.notes[0], "no published figure of this model was reproduced");
    }
    let mut portfolio = small();
    portfolio.positions[0].mark = None;
    let error = standard_margin(&portfolio, &Parameters::derive_srm(), dollar()).unwrap_err().to_string();
    assert!(
        error.starts_with("position 0: `derive:ETH-") && error.ends_with("has no mark; state one over zero"),
        "{error}"
    );
    let mut perpetual = Position::new(instrument(InstrumentKind::LinearPerpetual), qty(1.0));
    (perpetual.mark, perpetual.entry) = (Some(price(3000.0)), Some(price(2900.0)));
    portfolio.positions = vec![perpetual];
    let mut parameters = Parameters::derive_srm();
    let error = standard_margin(&portfolio, &parameters, dollar()).unwrap_err().to_string();
    assert!(error.starts_with("position 0: ") && error.contains("in rows `perpetual_initial,"), "{error}");
    parameters.replace("perpetual_initial", "0.1");
    parameters.replace("perpetual_maintenance", "0.065");
    let found = standard_margin(&portfolio, &parameters, dollar()).unwrap();
    assert_eq!((found.initial.value(), found.equity.value()), (Some(300.0), Some(2100.0)));
}

/// After ticks the account is that of the portfolio with index, forwards, mark and collateral where they are now, whatever came between.
#[test]
fn a_tick_is_a_portfolio_at_other_prices() {
    let Some(cases) = cases() else { return };
    let mut ticked = 0;
    for case in cases.iter().filter(|case| case["options"].as_array().unwrap().len() >= 3) {
        let mut portfolio = portfolio(case);
        let mut account = account(case);
        let spot = portfolio.underlyings[0].index;
        for factor in [1.5, 0.4, 1.07] {
            account.set_index(spot * factor, Simd::best()).unwrap();
        }
        let sums = account.sums();
        portfolio.underlyings[0].index = spot * 1.07;
        portfolio.expiries.iter_mut().for_each(|term| term.forward *= 1.07);
        for (index, collateral) in rows(&case["collateral"]).enumerate().filter(|(_, row)| row[3] == 1.0) {
            portfolio.underlyings[index + 2].index = collateral[1] * 1.07;
        }
        for position in portfolio.positions.iter_mut().filter(|position| !position.instrument.kind.is_option()) {
            let mark = position.mark.unwrap().approximate();
            let gained = position.quantity.approximate() * mark * 0.07;
            position.unrealised = Some(cash(position.unrealised.unwrap().approximate() + gained));
            position.mark = Some(price(mark * 1.07));
        }
        let anew = Pmrm2::with(&portfolio, terms(case), (coin(), dollar()), Simd::portable()).unwrap().sums();
        for (found, expected) in [
            (sums.equity, anew.equity),
            (sums.initial_excess, anew.initial_excess),
            (sums.maintenance_excess, anew.maintenance_excess),
        ] {
            let scale = 1e-9 * (anew.equity.abs() + anew.worst.abs());
            assert!((found - expected).abs() <= scale, "{}: {found}, {expected}", case["case"]);
        }
        assert!(account.set_index(0.0, Simd::best()).is_err() && account.set_index(f64::NAN, Simd::best()).is_err());
        ticked += 1;
    }
    assert!(ticked > 20);
}

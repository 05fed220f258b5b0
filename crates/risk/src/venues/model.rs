//! By which model a venue margins an account, and the rule of one position where the model looks at each by itself.

use super::deribit::{self, StandardRule};
use super::tiered::{Rule, tier_rule};
use super::{Margin, MarginError, Parameters, Portfolio, Position, derive, dydx, hyperliquid, tiered};
use market::{Currency, Instrument};
use units::{Cash, OptionRight, Price, Qty, Timestamp};

/// A venue's margin model with its parameters.
///
/// ```
/// use risk::venues::{Portfolio, VenueModel};
/// let model = VenueModel::of_venue("binance").unwrap();
/// let portfolio = Portfolio { at: "2025-10-10".parse().unwrap(), ..Portfolio::default() };
/// assert_eq!(model.margin(&portfolio, "USDT".parse().unwrap())?.maintenance.to_string(), "0");
/// assert!(VenueModel::of_venue("nowhere").is_none());
/// # Ok::<(), risk::venues::MarginError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VenueModel {
    kind: Kind,
    parameters: Parameters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tiers,
    Hyperliquid,
    Dydx,
    DeribitStandard,
    DeriveStandard,
}

/// Makes the parameters that come with Trimtab.
type Shipped = fn() -> Parameters;

/// Venues whose model is known, by the part of symbols before the colon.
const VENUES: [(&str, Kind, Shipped); 7] = [
    ("binance", Kind::Tiers, Parameters::binance),
    ("bybit", Kind::Tiers, Parameters::bybit),
    ("okx", Kind::Tiers, Parameters::okx),
    ("hyperliquid", Kind::Hyperliquid, Parameters::hyperliquid),
    ("dydx", Kind::Dydx, Parameters::dydx),
    ("deribit", Kind::DeribitStandard, Parameters::deribit_standard),
    ("derive", Kind::DeriveStandard, Parameters::derive_srm),
];

impl VenueModel {
    /// The model that a venue margins a new account by, with the parameters that come with Trimtab: of Deribit and Derive standard
    /// margin, of dYdX that of low open interest. `None`: no model of that venue is known.
    #[must_use]
    pub fn of_venue(venue: &str) -> Option<Self> {
        let (_, kind, parameters) = VENUES.iter().find(|(known, ..)| *known == venue)?;
        Some(Self { kind: *kind, parameters: parameters() })
    }

    /// The venues that [`Self::of_venue`] knows.
    pub fn venues() -> impl Iterator<Item = &'static str> {
        VENUES.iter().map(|(venue, ..)| *venue)
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameters, to replace rows or all of them.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// The margin of what settles in one currency.
    ///
    /// # Errors
    ///
    /// What the model refuses.
    pub fn margin(&self, portfolio: &Portfolio, settle: Currency) -> Result<Margin, MarginError> {
        let parameters = &self.parameters;
        match self.kind {
            Kind::Tiers => tiered(portfolio, parameters, settle).map(|tiered| tiered.margin),
            Kind::Hyperliquid => hyperliquid(portfolio, parameters, settle).map(|tiered| tiered.margin),
            Kind::Dydx => dydx(portfolio, parameters, settle, &[]).map(|tiered| tiered.margin),
            Kind::DeribitStandard => deribit::standard_margin(portfolio, parameters, settle),
            Kind::DeriveStandard => derive::standard_margin(portfolio, parameters, settle),
        }
    }

    /// Whether a margin is the sum of what each position needs by itself, so that [`Self::rule`] tells it.
    #[must_use]
    pub fn is_sum(&self) -> bool {
        self.kind != Kind::DeriveStandard
    }

    /// The rule of one position, at a time. `row` is told in errors.
    ///
    /// # Errors
    ///
    /// Parameters that do not hold; an instrument that the model has no rule for, or that is past its expiry.
    pub fn rule(&self, instrument: &Instrument, row: usize, at: Timestamp) -> Result<PositionRule, MarginError> {
        self.parameters.check(at)?;
        if let Some(expiry) = instrument.kind.expiry().filter(|expiry| *expiry < at) {
            return Err(MarginError::Expired { row, symbol: instrument.symbol.clone(), expiry });
        }
        let position = Position::new(instrument.clone(), Qty::ZERO);
        let parameters = &self.parameters;
        let own = match self.kind {
            Kind::Tiers | Kind::Hyperliquid | Kind::Dydx if instrument.kind.is_option() => {
                return Err(position.unknown(row, "margin by tiers"));
            }
            Kind::Tiers => Own::Tiers(tier_rule(parameters, row, &position)?),
            Kind::Hyperliquid => Own::Tiers(super::hyperliquid::hyperliquid_rule(parameters, row, &position)?),
            Kind::Dydx => Own::Tiers(super::dydx::dydx_rule(parameters, &[], row, &position)?),
            Kind::DeribitStandard => Own::Standard(StandardRule::new(parameters, instrument.settle, row, &position)?),
            Kind::DeriveStandard => return Err(position.unknown(row, "a sum of positions")),
        };
        Ok(PositionRule { position, own })
    }

    /// Refuses a time at which the parameters do not hold.
    ///
    /// # Errors
    ///
    /// That they do not.
    pub fn check(&self, at: Timestamp) -> Result<(), MarginError> {
        self.parameters.check(at)
    }
}

/// What one position needs by its venue's rule, whatever else is held.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionRule {
    position: Position,
    own: Own,
}

#[derive(Debug, Clone, PartialEq)]
enum Own {
    Tiers(Rule),
    Standard(StandardRule),
}

impl PositionRule {
    /// Whether the margin follows the price of the coin beside the contract's own mark.
    #[must_use]
    pub fn needs_index(&self) -> bool {
        matches!(&self.own, Own::Standard(rule) if rule.needs_index())
    }

    /// The tiers, if it goes by nothing else.
    #[must_use]
    pub fn tiers(&self) -> Option<&crate::TierTable> {
        match &self.own {
            Own::Tiers(rule) => Some(&rule.table),
            Own::Standard(_) => None,
        }
    }

    /// Initial and maintenance margin of a signed quantity, in what the contract settles in. `row` is told in errors.
    ///
    /// # Errors
    ///
    /// A mark or an index that is not above zero where one is needed, a position over the last tier, amounts beyond the range.
    pub fn margins(
        &self,
        quantity: Qty,
        mark: Price,
        index: Option<Price>,
        row: usize,
    ) -> Result<(Cash, Cash), MarginError> {
        let instrument = &self.position.instrument;
        let no_mark = || MarginError::NoMark { row, symbol: instrument.symbol.clone() };
        let mark_is_there = mark > Price::ZERO || (mark == Price::ZERO && instrument.kind.is_option());
        match &self.own {
            Own::Tiers(rule) => {
                let mark = Some(mark).filter(|_| mark_is_there).ok_or_else(no_mark)?;
                let value = rule.value(&self.position, row, mark, quantity)?;
                Ok((rule.table.initial_margin(value), rule.table.maintenance_margin(value)))
            }
            Own::Standard(rule) => {
                if rule.needs_mark() && !mark_is_there {
                    return Err(no_mark());
                }
                let index = if rule.needs_index() {
                    let currency = instrument.base;
                    index.filter(|index| *index > Price::ZERO).ok_or(MarginError::NoIndex { row, currency })?
                } else {
                    Price::ZERO
                };
                rule.margins(quantity, mark, index).ok_or(MarginError::TooLarge { row })
            }
        }
    }

    /// The maintenance margin as an estimate at prices that need not be on any grid, for searches: what [`Self::margins`] rounds.
    #[must_use]
    pub fn maintenance_estimate(&self, quantity: f64, mark: f64, index: f64) -> f64 {
        match &self.own {
            Own::Tiers(rule) => {
                let value = match self.position.instrument.kind.contract() {
                    units::Contract::Linear => (quantity * mark).abs(),
                    units::Contract::Inverse => (quantity / mark).abs(),
                };
                let tiers = rule.table.tiers().iter().zip(rule.table.deductions());
                // Convex: the largest of the tiers' lines.
                let lines = tiers.map(|(tier, less)| value * tier.maintenance.approximate() - less.approximate());
                lines.fold(0.0, f64::max)
            }
            Own::Standard(StandardRule::Future { terms, contract }) => {
                let (coins, value) = match contract {
                    units::Contract::Inverse => ((quantity / mark).abs(), (quantity / mark).abs()),
                    units::Contract::Linear => (quantity.abs(), (quantity * index).abs()),
                };
                value * (terms.maintenance.approximate() + coins * terms.per_coin.approximate())
            }
            Own::Standard(StandardRule::Option { floor, right, .. }) if quantity < 0.0 => {
                let floor = floor.approximate();
                let least = if *right == OptionRight::Put { floor.max(floor * mark) } else { floor };
                -quantity * (least + mark)
            }
            Own::Standard(StandardRule::Option { .. }) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::InstrumentKind;
    use units::Round;

    fn instrument(symbol: &str, kind: InstrumentKind, settle: &str) -> Instrument {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let (lot, tick) = ("0.001".parse().unwrap(), price("0.1"));
        let (base, settle) = ("BTC".parse().unwrap(), settle.parse().unwrap());
        Instrument { symbol: symbol.into(), kind, base, quote: settle, settle, tick, lot, min_qty: lot }
    }

    fn option(strike: &str, right: OptionRight) -> InstrumentKind {
        let (expiry, strike) = ("2026-03-27T08:00:00Z".parse().unwrap(), strike.parse().unwrap());
        InstrumentKind::InverseOption { expiry, strike, right }
    }

    /// The worked figures: 25 BTC at 100,000 need 53,125 and 28,125 (Deribit); a short call 20 % out of the money needs
    /// max(0.15 − 0.2, 0.1) + mark, a short put 0.075 + mark to stay (margin-rules.md).
    #[test]
    fn one_position_needs_what_the_venue_says() {
        let at: Timestamp = "2026-02-01".parse().unwrap();
        let model = VenueModel::of_venue("deribit").unwrap();
        let rule = |kind, settle: &str| model.rule(&instrument("deribit:X", kind, settle), 0, at).unwrap();
        let margins = |rule: PositionRule, qty: &str, mark: &str| {
            let index = Some("100000".parse().unwrap());
            let (initial, maintenance) = rule.margins(qty.parse().unwrap(), mark.parse().unwrap(), index, 0).unwrap();
            [initial.to_string(), maintenance.to_string()]
        };
        let linear = rule(InstrumentKind::LinearPerpetual, "USDC");
        assert_eq!(margins(linear, "-25", "99999"), ["53125", "28125"]);
        assert_eq!(margins(rule(option("120000", OptionRight::Call), "BTC"), "-2", "0.03"), ["0.26", "0.21"]);
        assert_eq!(margins(rule(option("100000", OptionRight::Put), "BTC"), "-1", "0.03"), ["0.18", "0.105"]);
        assert_eq!(margins(rule(option("100000", OptionRight::Put), "BTC"), "1", "0.03"), ["0", "0"]);
    }

    /// The estimate is what the exact rule rounds, over sizes and prices of all tiers.
    #[test]
    fn an_estimate_is_the_exact_margin_before_rounding() {
        let at: Timestamp = "2026-02-01".parse().unwrap();
        let cases = [
            ("binance", "binance:BTCUSDT-PERP", InstrumentKind::LinearPerpetual, "USDT"),
            ("hyperliquid", "hyperliquid:BTC-PERP", InstrumentKind::LinearPerpetual, "USDC"),
            ("dydx", "dydx:BTC-USD", InstrumentKind::LinearPerpetual, "USDC"),
            ("deribit", "deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "BTC"),
            ("deribit", "deribit:BTC_USDC-PERPETUAL", InstrumentKind::LinearPerpetual, "USDC"),
            ("deribit", "deribit:BTC-27MAR26-90000-C", option("90000", OptionRight::Call), "BTC"),
            ("deribit", "deribit:BTC-27MAR26-90000-P", option("90000", OptionRight::Put), "BTC"),
        ];
        let mut seed = 5_u64;
        let mut random = |most: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as i64 % most + 1
        };
        for (venue, symbol, kind, settle) in cases {
            let rule = VenueModel::of_venue(venue).unwrap().rule(&instrument(symbol, kind, settle), 0, at).unwrap();
            for _ in 0..2_000 {
                let size = if matches!(kind, InstrumentKind::InversePerpetual) { 50_000_000 } else { 1_500 };
                let qty = Qty::from_raw((random(size * 1_000) - size * 500) * 100_000);
                let index = Price::from_raw(random(200_000) * Price::ONE);
                let mark = if kind.is_option() { Price::from_raw(random(20_000) * 10_000) } else { index };
                let (_, exact) = rule.margins(qty, mark, Some(index), 0).unwrap();
                let estimate = rule.maintenance_estimate(qty.approximate(), mark.approximate(), index.approximate());
                // Deribit's rate is rounded at 1e-12, and is at least 0.01.
                let within = 1.1e-10 * exact.approximate().max(1.0);
                assert!((estimate - exact.approximate()).abs() <= within, "{symbol} {qty} {mark}: {estimate}, {exact}");
                let rounded = Cash::from_estimate(estimate, Round::Nearest).unwrap();
                assert!((rounded - exact).abs().approximate() <= within);
            }
        }
    }

    #[test]
    fn what_has_no_rule_is_refused() {
        let at: Timestamp = "2026-09-01".parse().unwrap();
        let perpetual = instrument("x:BTC", InstrumentKind::InversePerpetual, "BTC");
        let refused =
            |venue: &str| VenueModel::of_venue(venue).unwrap().rule(&perpetual, 3, at).unwrap_err().to_string();
        assert!(refused("deribit").starts_with("the parameters `deribit-standard` hold from 2022-01-11"));
        assert!(refused("okx").starts_with("position 3: margin by tiers has no rule for `x:BTC`"));
        assert!(refused("hyperliquid").starts_with("position 3: Hyperliquid has no rule"));
    }
}

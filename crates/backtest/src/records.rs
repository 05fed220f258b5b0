//! The rows of a run folder (docs/run-folder.md).

pub use crate::greeks::{GreekRow, SmileRow, SurfaceRow};
use crate::table::{Name, rows};
use units::{Cash, Price, Qty, Rate, Timestamp};

rows! {
    /// One execution.
    FillRow in "fills" {
        /// Receipt time.
        time: Timestamp,
        /// The input that brought it, counted from 1.
        input: u64,
        /// Account index.
        account: u64,
        /// The policy's name.
        strategy: String,
        /// Symbol.
        instrument: String,
        /// Client order id.
        order: String,
        /// The plan that ordered it.
        plan: u64,
        /// entry, add, rung, stop, exit, cut, resize, liquidation; adds and rungs with their number.
        purpose: String,
        /// buy or sell.
        side: String,
        /// Unsigned.
        quantity: Qty,
        /// Price paid.
        price: Price,
        /// Price without spread and slippage.
        reference: Price,
        /// Paid is positive.
        fee: Cash,
        /// Of the fee.
        currency: String,
        /// maker, taker, or internal: crossed with another strategy of the account.
        liquidity: String,
        /// Whether the venue forced it.
        liquidation: bool,
        /// The campaign that it belongs to.
        campaign: u64,
    }

    /// One funding payment.
    FundingRow in "funding" {
        /// Receipt time.
        time: Timestamp,
        /// Account index.
        account: u64,
        /// Symbol.
        instrument: String,
        /// Signed position that paid.
        position: Qty,
        /// Mark that the notional was taken at.
        mark: Price,
        /// Rate of the interval.
        rate: Rate,
        /// Received is positive.
        amount: Cash,
        /// Of the amount.
        currency: String,
    }

    /// The account's worth after a market input with a bar; in a long run, after the first one in each period. Amounts are
    /// in the run's currency: the numéraire of its first account.
    EquityRow in "equity" {
        /// Receipt time: the bar's close.
        time: Timestamp,
        /// Deposits less withdrawals so far, each at its worth when it was made.
        paid_in: Cash,
        /// Equity less the value of all positions at their marks.
        cash: Cash,
        /// Of all accounts together.
        equity: Cash,
        /// The twin's equity.
        twin_equity: Cash,
        /// What was paid into the twin: a withdrawal may be refused to one and not to the other.
        twin_paid_in: Cash,
        /// Under the highest equity of the first account.
        drawdown: f64,
        /// Signed value of all positions over equity.
        exposure: f64,
        /// Unsigned value of all positions over equity.
        gross: f64,
        /// The twin's signed exposure.
        twin_exposure: f64,
        /// Hash of all inputs and outputs so far, its first 16 digits.
        chain: String,
    }

    /// A strategy's position in one instrument at a row of `equity` for which the instrument had bars.
    PositionRow in "positions" {
        /// Receipt time, as in `equity`.
        time: Timestamp,
        /// The policy's name.
        strategy: Name,
        /// Symbol.
        instrument: Name,
        /// The mark used.
        mark: Price,
        /// First price since the row before.
        open: Price,
        /// Highest since.
        high: Price,
        /// Lowest since.
        low: Price,
        /// Signed position.
        position: Qty,
        /// The twin's signed position.
        twin_position: Qty,
        /// The stop in force.
        stop: Option<Price>,
        /// Signed position value over the account's equity.
        exposure: f64,
        /// The twin's.
        twin_exposure: f64,
        /// Traded in the market since the row before, in the underlying; zero where the tape has none.
        volume: Qty,
        /// The volatility that sizing read, a year; empty: it reads none, or knew none.
        volatility: Option<f64>,
        /// The cap that binds, or empty.
        cap: Name,
    }

    /// The worth of one account, where a run has several.
    AccountRow in "accounts" {
        /// Receipt time, as in `equity`.
        time: Timestamp,
        /// Account index.
        account: u64,
        /// Its venue.
        venue: Name,
        /// What its equity is in.
        currency: Name,
        /// In that currency.
        equity: Cash,
        /// The twin's.
        twin_equity: Cash,
        /// Under its highest equity.
        drawdown: f64,
    }

    /// What facts of value at risk that a policy reads told, at each step of their history.
    LossRow in "losses" {
        /// Receipt time.
        time: Timestamp,
        /// Account index.
        account: u64,
        /// Empty: all that the account holds; else the policy whose part in it this is.
        strategy: Name,
        /// Symbol of the part, or empty.
        instrument: Name,
        /// Such as 0.99.
        confidence: f64,
        /// In days.
        horizon: f64,
        /// filtered, historical or montecarlo.
        method: Name,
        /// Fraction of equity, over zero where a loss; empty: not known.
        value_at_risk: Option<f64>,
        /// Likewise.
        expected_shortfall: Option<f64>,
        /// The account's, in its numéraire.
        equity: Cash,
        /// When the horizon ended, of the account; empty: behind the run's end or in a hole of the market.
        ended: Option<Timestamp>,
        /// What the positions of then, held still, had made by then, as a fraction of equity: no funding, no fees.
        held: Option<f64>,
        /// What equity had made by then, money moved left out.
        made: Option<f64>,
    }

    /// An option that an account held at a moment.
    OptionRow in "options" {
        /// Receipt time, as in `equity`.
        time: Timestamp,
        /// Account index.
        account: u64,
        /// Symbol.
        instrument: Name,
        /// Signed quantity of all strategies together.
        position: Qty,
        /// What it was valued at.
        mark: Price,
    }

    /// What a hedge saw: at each plan of it on news of the market, and at each row of `equity`, while delta is known.
    HedgeRow in "hedges" {
        /// Receipt time.
        time: Timestamp,
        /// The policy's name.
        strategy: Name,
        /// The instrument that it trades.
        instrument: Name,
        /// The plan that was recorded then; zero: none was.
        plan: u64,
        /// Its instrument's price.
        price: Price,
        /// Delta of what it hedges, without its own, in coins.
        delta: Qty,
        /// The sum of the unsigned deltas of all positions that it hedges.
        gross: Qty,
        /// The unsigned gamma of all that it hedges together, in coins for a dollar.
        gamma: f64,
        /// Equity of its account, in the currency that its instrument settles in.
        equity: Cash,
        /// Signed quantity that it holds.
        position: Qty,
        /// Signed quantity of its orders that were on their way.
        on_the_way: Qty,
    }

    /// What an instrument of a hedge came to where a plan compared costs: a row for each of them, and for what is hedged where it may be
    /// given up. Money is that of the first instrument's price.
    ChoiceRow in "choices" {
        /// Receipt time.
        time: Timestamp,
        /// The plan.
        plan: u64,
        /// The policy's name.
        strategy: Name,
        /// Which instrument.
        instrument: Name,
        /// perpetual, future, spot or option.
        kind: Name,
        /// Coins of delta to add.
        need: f64,
        /// Years to the horizon.
        years: f64,
        /// What capital costs a year, as a share.
        capital: f64,
        /// Coins of delta that a unit stands for; zero: it could not be compared.
        delta: f64,
        /// Half of the spread of a unit.
        half_spread: f64,
        /// What each unit of an order makes the price of a unit worse.
        impact: f64,
        /// Fees of a unit and trade.
        fee: f64,
        /// What a unit held long pays a year.
        carry: f64,
        /// What a unit binds.
        margin: f64,
        /// Fee of delivery of a unit.
        delivery: f64,
        /// Years until it ends, of what does.
        expiry: Option<f64>,
        /// The step of orders.
        lot: f64,
        /// The most that can be bought; empty: as much as one likes.
        most_bought: Option<f64>,
        /// The most that can be sold.
        most_sold: Option<f64>,
        /// Units held.
        held: f64,
        /// Units to trade.
        units: f64,
        /// All that it costs to the horizon; empty: it cannot be had.
        cost: Option<f64>,
        /// Whether it was the one to act.
        is_chosen: bool,
    }

    /// Money that moved other than by fills and funding.
    FlowRow in "flows" {
        /// Receipt time.
        time: Timestamp,
        /// Account index.
        account: u64,
        /// deposit, withdrawal, transfer or conversion.
        reason: String,
        /// Paid in is positive.
        amount: Cash,
        /// Of the amount.
        currency: String,
        /// The account or currency on the other side, or empty.
        other: String,
    }

    /// One change of one order.
    OrderRow in "orders" {
        /// When.
        time: Timestamp,
        /// Client order id.
        order: String,
        /// The plan that ordered it.
        plan: u64,
        /// The policy's name.
        strategy: Name,
        /// Symbol.
        instrument: Name,
        /// What it is for.
        purpose: Name,
        /// buy or sell.
        side: Name,
        /// Total quantity; of a fill, its own.
        quantity: Qty,
        /// market, limit, stop, stop_limit.
        kind: Name,
        /// Limit price; of a fill, its price.
        price: Option<Price>,
        /// Stop trigger.
        trigger: Option<Price>,
        /// May only reduce.
        reduce_only: bool,
        /// place, amend, cancel (sent); accepted, triggered, amended, filled, cancelled, rejected (news).
        event: Name,
        /// Why it ended.
        reason: Name,
    }

    /// One step of one recorded plan.
    PlanRow in "plans" {
        /// When.
        time: Timestamp,
        /// Counts recorded plans.
        plan: u64,
        /// The input that it was decided on.
        input: u64,
        /// The policy's name.
        strategy: Name,
        /// Symbol.
        instrument: Name,
        /// Position in the plan, from 1.
        step: u64,
        /// The rule.
        rule: Name,
        /// kept, set, cut, refused, held, unmet.
        outcome: Name,
        /// Signed quantity before.
        before: Qty,
        /// Signed quantity after.
        after: Qty,
        /// The sentence.
        because: String,
        /// Price at the decision.
        price: Price,
        /// Equity at the decision.
        equity: Cash,
        /// Signed position at the decision.
        position: Qty,
        /// Signed quantity wanted.
        target: Qty,
    }

    /// One campaign.
    CampaignRow in "campaigns" {
        /// Counts from 1.
        campaign: u64,
        /// The policy's name.
        strategy: String,
        /// Symbol.
        instrument: String,
        /// long or short.
        side: String,
        /// First fill.
        opened: Timestamp,
        /// Last fill; empty: still open at the end.
        closed: Option<Timestamp>,
        /// First fill's price.
        entry: Price,
        /// Average price of what was closed.
        exit: Option<Price>,
        /// N frozen at entry.
        unit_n: Option<Price>,
        /// Stop frozen at entry.
        initial_stop: Option<Price>,
        /// Units filled.
        units: u64,
        /// Rungs used.
        rungs: u64,
        /// Signed largest quantity.
        peak: Qty,
        /// Before fees and funding.
        profit: Cash,
        /// Paid.
        fees: Cash,
        /// Received less paid.
        funding: Cash,
        /// Net profit over the cash risk planned for the first unit.
        r: Option<f64>,
        /// Largest adverse move in R.
        mae_r: Option<f64>,
        /// Largest favourable move in R.
        mfe_r: Option<f64>,
        /// stop, exit, rung, cut, liquidation, settlement; empty: still open.
        ended_by: String,
    }
}

rows! {
    /// The policy with one technique switched off. Figures are fractions; empty: the run is too short for them.
    VariantRow in "variants" {
        /// What was switched off; `as declared` is the policy, `twin` its unscaled twin.
        variant: String,
        /// What ran instead, in words.
        instead: String,
        /// The whole return.
        total_return: Option<f64>,
        /// Compound annual growth rate.
        cagr: Option<f64>,
        /// Sharpe ratio at a zero rate.
        sharpe: Option<f64>,
        /// Annualised volatility.
        volatility: Option<f64>,
        /// Standard deviation of the 63-day volatility.
        vol_of_vol: Option<f64>,
        /// The deepest fall under a peak.
        drawdown: Option<f64>,
        /// The worst day.
        worst_day: Option<f64>,
        /// Fees and funding over mean equity, a year where the run is long enough.
        cost: Option<f64>,
        /// Value traded over mean equity, likewise.
        turnover: Option<f64>,
        /// Executions.
        fills: u64,
        /// Campaigns.
        campaigns: u64,
    }
}

/// All tables of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables {
    /// Executions.
    pub fills: Vec<FillRow>,
    /// Funding payments.
    pub funding: Vec<FundingRow>,
    /// One row a bar, or a period.
    pub equity: Vec<EquityRow>,
    /// Positions by strategy and instrument, at the same times.
    pub positions: Vec<PositionRow>,
    /// The worth of each account, where there are several.
    pub accounts: Vec<AccountRow>,
    /// What may be lost as rules were told it, of runs whose rules read it.
    pub losses: Vec<LossRow>,
    /// Options held, of runs that held some.
    pub options: Vec<OptionRow>,
    /// What hedges saw, of runs that have some.
    pub hedges: Vec<HedgeRow>,
    /// What hedges compared, of runs that have some that do.
    pub choices: Vec<ChoiceRow>,
    /// Deposits, withdrawals, transfers, conversions.
    pub flows: Vec<FlowRow>,
    /// Changes of orders.
    pub orders: Vec<OrderRow>,
    /// Steps of plans.
    pub plans: Vec<PlanRow>,
    /// Campaigns.
    pub campaigns: Vec<CampaignRow>,
    /// Greeks of the options held, of runs that held some.
    pub greeks: Vec<GreekRow>,
    /// Fitted surfaces, of runs on whose underlyings options are quoted.
    pub surfaces: Vec<SurfaceRow>,
    /// The smiles of the last of them.
    pub smiles: Vec<SmileRow>,
}

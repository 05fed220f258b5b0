//! What rules may know: typed facts in flat slots, each with the time it was last set.

use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Contract, Duration, Price, Qty, Ratio, Round, Timestamp, Vol};

/// The untyped name of a fact: its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId(pub u16);

/// The typed name of a fact.
#[derive(Debug)]
pub struct Fact<T> {
    id: FactId,
    kind: std::marker::PhantomData<fn() -> T>,
}

impl<T> Clone for Fact<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Fact<T> {}

impl<T> Fact<T> {
    /// A fact in a slot. The type is the caller's promise; the engine's own facts are constants of this module.
    #[must_use]
    pub const fn at(slot: u16) -> Self {
        Self { id: FactId(slot), kind: std::marker::PhantomData }
    }

    /// The slot.
    #[must_use]
    pub const fn id(self) -> FactId {
        self.id
    }
}

/// A type that facts can have: kept exactly, as raw fixed point or as the bits of a double.
pub trait FactValue: Copy {
    /// To the slot.
    fn to_raw(self) -> i128;
    /// From the slot.
    fn from_raw(raw: i128) -> Self;
}

macro_rules! fixed_fact {
    ($($name:ty: $repr:ty),*) => {$(
        impl FactValue for $name {
            #[inline]
            fn to_raw(self) -> i128 {
                i128::from(self.raw())
            }
            #[inline]
            fn from_raw(raw: i128) -> Self {
                Self::from_raw(raw as $repr)
            }
        }
    )*};
}
fixed_fact!(Price: i64, Qty: i64, Cash: i128);

macro_rules! estimate_fact {
    ($($name:ty),*) => {$(
        impl FactValue for $name {
            #[inline]
            fn to_raw(self) -> i128 {
                i128::from(self.get().to_bits())
            }
            #[inline]
            fn from_raw(raw: i128) -> Self {
                // Only `to_raw` of a valid value ever fills a slot of this type.
                Self::new(f64::from_bits(raw as u64)).unwrap_or_default()
            }
        }
    )*};
}
estimate_fact!(Ratio, Vol);

impl FactValue for u32 {
    #[inline]
    fn to_raw(self) -> i128 {
        i128::from(self)
    }
    #[inline]
    fn from_raw(raw: i128) -> Self {
        raw as Self
    }
}

impl FactValue for Contract {
    #[inline]
    fn to_raw(self) -> i128 {
        i128::from(self == Self::Inverse)
    }
    #[inline]
    fn from_raw(raw: i128) -> Self {
        if raw == 0 { Self::Linear } else { Self::Inverse }
    }
}

/// The code of a currency, for sentences: `BTC`. Padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Code([u8; 8]);

impl Code {
    /// Of at most eight letters or digits; what is longer is cut.
    #[must_use]
    pub fn new(code: &str) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(code.bytes().filter(u8::is_ascii_alphanumeric)) {
            *to = from;
        }
        Self(bytes)
    }
}

impl Code {
    /// The letters and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        // Only ASCII gets in; from a damaged snapshot there may be something else, which is shown as nothing.
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FactValue for Code {
    #[inline]
    fn to_raw(self) -> i128 {
        i128::from(u64::from_le_bytes(self.0))
    }
    #[inline]
    fn from_raw(raw: i128) -> Self {
        Self((raw as u64).to_le_bytes())
    }
}

impl FactValue for Timestamp {
    #[inline]
    fn to_raw(self) -> i128 {
        i128::from(self.nanos())
    }
    #[inline]
    fn from_raw(raw: i128) -> Self {
        Self::from_nanos(raw as i64)
    }
}

/// What was traded, as the instrument counts: unsigned quantities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traded {
    /// By the market in the last whole window.
    pub market: Qty,
    /// By the strategy in the present one, to open and to add.
    pub own: Qty,
}

impl FactValue for Traded {
    #[inline]
    fn to_raw(self) -> i128 {
        i128::from(self.market.raw()) << 64 | i128::from(self.own.raw() as u64)
    }
    #[inline]
    fn from_raw(raw: i128) -> Self {
        Self { market: Qty::from_raw((raw >> 64) as i64), own: Qty::from_raw(raw as i64) }
    }
}

/// Where a volatility comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolatilityOrigin {
    /// The source in its declared chain: 0 is the first.
    pub source: u32,
    /// The last ratio of implied to realised volatility, where it is a realised one times that. Over zero.
    pub ratio: Option<Ratio>,
}

impl FactValue for VolatilityOrigin {
    #[inline]
    fn to_raw(self) -> i128 {
        i128::from(self.source) << 64 | i128::from(self.ratio.map_or(0, |ratio| ratio.get().to_bits()))
    }
    #[inline]
    fn from_raw(raw: i128) -> Self {
        let ratio = f64::from_bits(raw as u64);
        Self { source: (raw >> 64) as u32, ratio: Ratio::new(ratio).filter(|ratio| ratio.get() > 0.0) }
    }
}

/// What limits let an increase come to, and which of them says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Signed.
    pub qty: Qty,
    /// Counted from 0.
    pub limit: u32,
    /// It is known what more would make of what is limited.
    pub is_known: bool,
}

impl FactValue for Room {
    #[inline]
    fn to_raw(self) -> i128 {
        i128::from(self.qty.raw()) << 64 | i128::from(self.is_known) << 32 | i128::from(self.limit)
    }
    #[inline]
    fn from_raw(raw: i128) -> Self {
        Self { qty: Qty::from_raw((raw >> 64) as i64), limit: raw as u32, is_known: raw >> 32 & 1 == 1 }
    }
}

macro_rules! facts {
    ($($(#[doc = $doc:literal])* $slot:literal $constant:ident: $kind:ty = $name:literal;)*) => {
        $($(#[doc = $doc])* pub const $constant: Fact<$kind> = Fact::at($slot);)*

        /// Slots of the engine's own facts: name by slot.
        pub const NAMES: &[&str] = &[$($name),*];
    };
}

facts! {
    /// Last price.
    0 PRICE: Price = "price";
    /// Equity of the account, in its numéraire.
    1 EQUITY: Cash = "equity";
    /// Gross exposure of the account's other positions with the worst of their pending orders, in the settlement currency of this
    /// instrument. None where nothing is said.
    2 OTHERS: Cash = "others.exposure";
    /// How many times the market told a price: tells news of the market from news of one's own orders.
    3 PRICES: u32 = "price.count";
    /// Time of the input being decided on.
    4 NOW: Timestamp = "now";
    /// Volatility that sizing uses, annualised.
    5 VOLATILITY: Vol = "volatility";
    /// How far equity, net of deposits and withdrawals, is under its highest: `0.1` is 10 %. What a price that is passed in a
    /// [region](crate::Region) would tell of it is left out; before any decision it is told.
    6 DRAWDOWN: Ratio = "drawdown";
    /// Signed quantity that the strategy holds.
    7 POSITION: Qty = "position";
    /// Conviction, from -1 (short) to 1 (long).
    8 SIGNAL: Ratio = "signal";
    /// When the signal was last issued anew.
    9 SIGNAL_SINCE: Timestamp = "signal.since";
    /// The volatility unit N in price terms, now.
    10 UNIT: Price = "unit";
    /// The instrument's price grid.
    11 TICK: Price = "tick";
    /// The instrument's quantity grid.
    12 LOT: Qty = "lot";
    /// The smallest order.
    13 MIN_QTY: Qty = "min_qty";
    /// Campaign: the first fill's price, frozen.
    14 ENTRY: Price = "campaign.entry";
    /// Campaign: the price of the last unit's fill.
    15 LAST_FILL: Price = "campaign.last_fill";
    /// Campaign: N, frozen at entry.
    16 CAMPAIGN_UNIT: Price = "campaign.unit";
    /// Campaign: the initial stop, frozen.
    17 INITIAL_STOP: Price = "campaign.initial_stop";
    /// Campaign: the stop in force.
    18 STOP: Price = "campaign.stop";
    /// Campaign: signed full size of all units, frozen at entry.
    19 BASE: Qty = "campaign.base";
    /// Campaign: one bit per unit filled.
    20 UNITS: u32 = "campaign.units";
    /// Campaign: one bit per unit that lapsed unfilled.
    21 LAPSED: u32 = "campaign.lapsed";
    /// Campaign: one bit per ladder rung used.
    22 RUNGS_USED: u32 = "campaign.rungs_used";
    /// Campaign: signed quantity of the first unit as filled.
    23 FIRST: Qty = "campaign.first";
    /// Campaign: signed largest quantity held so far.
    24 PEAK: Qty = "campaign.peak";
    /// Campaign: signed quantity that would be held had no cap cut it.
    25 UNCUT: Qty = "campaign.uncut";
    /// Campaign: the best price since entry (highest when long, lowest when short).
    26 BEST: Price = "campaign.best";
    /// When the last campaign closed.
    27 CLOSED_AT: Timestamp = "campaign.closed_at";
    /// Signed largest quantity of the campaign that closed last: tells which side was traded.
    28 CLOSED_PEAK: Qty = "campaign.closed_peak";
    /// Which source of the declared chain volatility comes from, and by which ratio.
    29 VOLATILITY_SOURCE: VolatilityOrigin = "volatility.source";
    /// When that source was last news.
    30 VOLATILITY_SINCE: Timestamp = "volatility.since";
    /// How the instrument's value follows its price: what a quantity costs, risks and earns. Linear where nothing is said.
    31 CONTRACT: Contract = "contract";
    /// Deposits less withdrawals so far.
    32 DEPOSITS: Cash = "deposits";
    /// Equity when the UTC day began, net of deposits and withdrawals since.
    33 DAY_START: Cash = "day_start";
    /// Equity when the UTC week began (on Monday), net of deposits and withdrawals since.
    34 WEEK_START: Cash = "week_start";
    /// How many campaigns have closed.
    35 CLOSED: u32 = "campaign.closed";
    /// Net result of the campaign that closed last, in R, after fees and funding.
    36 CLOSED_R: Ratio = "campaign.closed_r";
    /// Campaign: when its first fill was.
    37 OPENED: Timestamp = "campaign.opened";
    /// Share of equity that sizing goes by: the strategy's capital × the instrument's allocation. The whole where nothing is said.
    38 SHARE: Ratio = "share";
    /// Campaign: average entry price of what is held, as far as adds have moved it in favour: it never moves back.
    39 AVERAGE: Price = "campaign.average";
    /// Cash in the currency that the instrument is paid in: what spot can be bought with.
    40 FUNDS: Cash = "funds";
    /// Equity in the instrument's settlement currency less the maintenance margin of the account's other positions in it.
    41 MARGIN_EQUITY: Cash = "margin.equity";
    /// Highest price of the input being observed. Forgotten once rules have observed it; told only where a rule reads it.
    42 HIGH: Price = "price.high";
    /// Lowest price of the input being observed.
    43 LOW: Price = "price.low";
    /// Campaign: signed quantity that an entry or add is on the way to, where it goes out in several orders.
    44 ENTERING: Qty = "campaign.entering";
    /// Orders sent within the time of the order-rate guard.
    45 SENT: u32 = "orders.sent";
    /// Which unit's add works at the venue; told only where a rule reads it.
    46 RESTING_ADD: u32 = "orders.add";
    /// What other strategies hold, and may yet hold, in this instrument on the side that this one goes to; unsigned.
    47 BESIDE: Qty = "beside";
    /// Coins of the instrument's underlying that lie in the account beside its positions, where equity is counted in something
    /// else: exposure that no strategy ordered. None where nothing is said.
    48 COLLATERAL: Cash = "collateral";
    /// What part of those coins the strategy's size counts, where others trade the coin too. The whole where nothing is said.
    49 COLLATERAL_SHARE: Ratio = "collateral.share";
    /// The code of the instrument's underlying, for sentences.
    50 COIN: Code = "coin";
    /// What counts as dust, in the quote currency of the instrument, where the policy states it in another.
    51 DUST: Cash = "dust";
    /// The largest order, likewise.
    52 LARGEST: Cash = "max_order";
    /// Of a structure of options: what one unit stands for in its settlement currency, a coin or the forward of its first expiry.
    /// None of any other instrument, whose unit stands for its price.
    53 EXPOSURE_PRICE: Price = "exposure.price";
    /// Of a structure of options: that it has no legs now, and why, as the engine's own rule reads it.
    54 NO_LEGS: u32 = "structure.no_legs";
    /// Of a hedge: delta of what it hedges, without its own, in coins of the underlying. None: it is not known now.
    55 HEDGED: Qty = "hedge.delta";
    /// Of a hedge: the sum of the unsigned deltas of each position that it hedges; zero where nothing is held.
    56 HEDGED_GROSS: Qty = "hedge.gross";
    /// Of a hedge: signed quantity of its orders that are on their way.
    57 ON_THE_WAY: Qty = "orders.on_the_way";
    /// Of a hedge: the unsigned gamma of all that it hedges together, in coins for a dollar.
    58 HEDGED_GAMMA: Ratio = "hedge.gamma";
    /// Over a limit that cuts what is cheapest: signed quantity of this position that is kept. None: no such limit is breached.
    59 KEPT: Qty = "limit.kept";
    /// Of a hedge that compares costs: who brings delta back, as a [`Turn`](crate::rules::Turn). None where there is nothing to compare.
    60 HEDGE_TURN: u32 = "hedge.turn";
    /// Of a structure that its hedge may give up: signed quantity that is kept. None: delta is in its band, or a hedge costs less.
    61 RESTORED: Qty = "restore.kept";
    /// Of a cap on participation: what the market traded in the last whole window, and what was opened and added in the present one.
    /// None: no whole window was recorded lately.
    62 TRADED: Traded = "volume.traded";
    /// Of a cap on the time to exit: the mean volume of a window, in the quantity of the instrument.
    63 USUAL_VOLUME: Qty = "volume.usual";
}

/// Of a streak over several instruments: wins since the last loss, of all campaigns that count, in the order of their closes. A hedge
/// has no streak, so that it shares the slot of what only hedges are told: there are no more bits than slots.
pub const WINS: Fact<u32> = HEDGE_TURN;

/// Of a structure that brings a Greek to a level: that Greek of what is counted beside the structure. None: it is not known now. What
/// only hedges are told has the slot too.
pub const GREEK_BESIDE: Fact<Ratio> = HEDGED_GAMMA;

/// Of such a structure: that Greek of one unit of it.
pub const GREEK_EACH: Fact<Ratio> = Fact::at(HEDGED_GROSS.id().0);

/// Of options that a hedge may trade: coins of delta that one unit of them stands for. None: they are none, or it is not known now. Such
/// a hedge is no structure that is given up, which has the slot too.
pub const HEDGE_UNIT: Fact<Ratio> = Fact::at(RESTORED.id().0);

/// Of a structure of options, whose entry moves with rolls, while it is held: the average size of the prices that its average entry was
/// made of, which stays what it is. A structure has no cap on participation, which has the slot too: [`paid`] tells them apart.
pub const PAID: Fact<Price> = Fact::at(TRADED.id().0);

/// What a profit is a share of: the size of the average entry price, of a structure without what rolls have moved it by. Above zero.
#[must_use]
pub fn paid(facts: &Facts) -> Option<Price> {
    let own = facts.get(EXPOSURE_PRICE).and_then(|_| facts.get(PAID));
    own.or_else(|| facts.get(AVERAGE).map(Price::abs)).filter(|price| price.raw() > 0)
}

/// Of such options: how far delta may be from its target, in coins. No hedge has a cap on the time to exit, which has the slot too.
pub const HEDGE_WIDTH: Fact<Qty> = Fact::at(USUAL_VOLUME.id().0);

/// Of a strategy whose capital follows its own drawdown: that, as it was at the last midnight. It is no hedge and no structure, which
/// have the slot too.
pub const OWN_DRAWDOWN: Fact<Ratio> = Fact::at(HEDGED_GROSS.id().0);

/// Under a cap on participation: signed quantity of orders at market that are on their way, but for rungs. What only hedges and
/// structures are told has the slot too, and neither has such a cap.
pub const IN_FLIGHT: Fact<Qty> = Fact::at(HEDGED_GAMMA.id().0);

/// Of a strategy with limits on facts, while it decides once more: the most that they let be held. None: all that it wants. A hedge has
/// no such limits, so that what only hedges are told has the slot too.
pub const ROOM: Fact<Room> = Fact::at(ON_THE_WAY.id().0);

/// The most that they let be added at the next trigger, likewise.
pub const ROOM_ADD: Fact<Room> = Fact::at(HEDGED.id().0);

/// The first slot behind the engine's own facts: a run's series follow by [`units::SeriesId`].
pub const FIRST_SERIES: u16 = NAMES.len() as u16;

/// The fact of a recorded series.
#[must_use]
pub const fn series(id: units::SeriesId) -> Fact<Ratio> {
    Fact::at(FIRST_SERIES + id.0 as u16)
}

/// A series: what it was last, and when that was told.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot {
    raw: i128,
    set: Timestamp,
}

/// What a series told ([`Facts::told`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    series: units::SeriesId,
    slot: Slot,
}

const EMPTY: Slot = Slot { raw: 0, set: Timestamp::MIN };

/// All facts of one scope (a strategy in its instrument). Laid out as it is written, from the beginning of a line of memory: what is
/// written with every price has the first slots, and so lies in two lines.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub struct Facts {
    /// Which of the engine's own facts are known: one bit a slot, so that what nobody told is not looked at.
    known: u64,
    /// Which of them changed since [`Self::watch`]: one bit a slot. It follows from what is set, and is no state.
    changed: u64,
    now: Timestamp,
    /// When the price was last told.
    priced: Timestamp,
    /// The engine's own facts: a list of known length, so that a constant slot is found without looking.
    own: [i128; NAMES.len()],
    series: Box<[Slot]>,
    /// Series that are told anew before each evaluation: no state.
    passing: Vec<FactId>,
    /// N is this share of the price and was not worked out since the market told it: see [`Self::defer_unit`]. It follows from the rest,
    /// and is no state.
    unit_share: Option<Ratio>,
}

const _: () = assert!(NAMES.len() <= u64::BITS as usize, "one bit for each of the engine's own facts");

/// Facts that change with nearly every input: taken for changed without looking.
const RESTLESS: u64 = bit(PRICE.id)
    | bit(EQUITY.id)
    | bit(DRAWDOWN.id)
    | bit(VOLATILITY.id)
    | bit(NOW.id)
    | bit(PRICES.id)
    | bit(OTHERS.id);

/// The bit of one of the engine's own facts; none of any other.
pub(crate) const fn bit(fact: FactId) -> u64 {
    if (fact.0 as usize) < NAMES.len() { 1 << fact.0 } else { 0 }
}

/// A share of a price. `None`: it is nothing.
pub(crate) fn share_of(price: Price, share: Ratio) -> Option<Price> {
    Price::from_estimate(price.approximate() * share.get(), Round::Nearest).filter(|part| part.raw() > 0)
}

impl Facts {
    /// No fact known yet, with room for a run's series.
    #[must_use]
    pub fn new(series: usize) -> Self {
        Self {
            own: [0; NAMES.len()],
            known: 0,
            changed: 0,
            now: Timestamp::MIN,
            priced: Timestamp::MIN,
            unit_share: None,
            series: vec![EMPTY; series].into(),
            passing: Vec::new(),
        }
    }

    /// A series is told anew before each evaluation, so that it is no part of the state.
    pub fn pass(&mut self, fact: FactId) {
        self.passing.push(fact);
    }

    /// The time at which facts are set from now on.
    #[inline]
    pub fn set_now(&mut self, now: Timestamp) {
        if now != self.now {
            self.now = now;
            self.set(NOW, now);
        }
    }

    /// From now on N is a share of each price that the market tells, worked out once somebody looks at it; until it is set again, or the
    /// price is set to one that is not of the market. `false`: it is not that of the present price, which then is none of the market.
    pub fn defer_unit(&mut self, share: Ratio) -> bool {
        let is_so = self.get(UNIT) == self.deferred_unit(share);
        self.unit_share = is_so.then_some(share);
        is_so
    }

    /// N as [`Self::defer_unit`] has it.
    #[inline(never)]
    fn deferred_unit(&self, share: Ratio) -> Option<Price> {
        self.get(PRICE).and_then(|price| share_of(price, share))
    }

    #[inline]
    fn work_out_unit_before(&mut self) {
        if self.unit_share.is_some() {
            self.work_out_unit();
        }
    }

    /// N is worked out, because the price is about to be none of the market.
    #[cold]
    fn work_out_unit(&mut self) {
        if let Some(share) = self.unit_share.take() {
            let unit = self.deferred_unit(share);
            self.put(UNIT, unit);
        }
    }

    /// The market told a price, now.
    #[inline]
    pub fn set_price(&mut self, price: Price) {
        let count = self.get(PRICES).unwrap_or(0).wrapping_add(1);
        let share = self.unit_share.take();
        self.set(PRICE, price);
        self.unit_share = share;
        self.set(PRICES, count);
    }

    /// What a price tells of the market and of the account, in one go: the same as [`Self::set_now`], [`Self::set_price`] and
    /// [`Self::set`] of equity.
    #[inline]
    pub fn set_market(&mut self, now: Timestamp, price: Price, equity: Cash) {
        const ALL: u64 = bit(NOW.id) | bit(PRICE.id) | bit(PRICES.id) | bit(EQUITY.id);
        if self.known & self.changed & ALL != ALL {
            self.known |= ALL;
            self.changed |= ALL;
        }
        (self.now, self.priced) = (now, now);
        // What nobody has counted yet is none.
        let count = u32::from_raw(self.own[usize::from(PRICES.id.0)]).wrapping_add(1);
        let raws = [
            (PRICE.id, price.to_raw()),
            (EQUITY.id, equity.to_raw()),
            (NOW.id, now.to_raw()),
            (PRICES.id, count.to_raw()),
        ];
        for (fact, raw) in raws {
            self.own[usize::from(fact.0)] = raw;
        }
    }

    /// Written only where it is news: what is read whole soon after a part of it was written is waited for.
    #[inline]
    fn tell_changed(&mut self, bits: u64) {
        if self.changed & bits != bits {
            self.changed |= bits;
        }
    }

    /// Whether any of these facts was not known until now. They are from here on.
    #[inline]
    fn learn(&mut self, bits: u64) -> bool {
        let is_new = self.known & bits != bits;
        if is_new {
            self.known |= bits;
        }
        is_new
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sets a fact, now.
    #[inline]
    pub fn set<T: FactValue>(&mut self, fact: Fact<T>, value: T) {
        debug_assert!(self.now != Timestamp::MIN, "facts are set at a time");
        let (raw, at) = (value.to_raw(), usize::from(fact.id.0));
        if at >= NAMES.len() {
            self.series[at - NAMES.len()] = Slot { raw, set: self.now };
            return;
        }
        if fact.id == PRICE.id {
            self.work_out_unit_before();
            self.priced = self.now;
        } else if fact.id == UNIT.id {
            self.unit_share = None;
        }
        let bit = bit(fact.id);
        let is_new = self.learn(bit);
        if bit & RESTLESS == 0 && !is_new && self.own[at] == raw {
            return;
        }
        self.own[at] = raw;
        self.tell_changed(bit);
    }

    /// Sets or forgets a fact, now.
    #[inline]
    pub fn put<T: FactValue>(&mut self, fact: Fact<T>, value: Option<T>) {
        let at = usize::from(fact.id.0);
        if fact.id == PRICE.id {
            self.work_out_unit_before();
        } else if fact.id == UNIT.id {
            self.unit_share = None;
        }
        match value {
            Some(value) => self.set(fact, value),
            None if at >= NAMES.len() => self.series[at - NAMES.len()] = EMPTY,
            None if self.is_known(fact.id) => {
                self.own[at] = 0;
                self.known &= !bit(fact.id);
                self.changed |= bit(fact.id);
            }
            None => {}
        }
    }

    /// Tells changes from now on.
    #[inline]
    pub fn watch(&mut self) {
        self.changed = 0;
    }

    /// Which of the engine's own facts may have another value than at the last [`watch`](Self::watch): one bit a slot.
    #[inline]
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changed
    }

    #[inline]
    fn is_known(&self, fact: FactId) -> bool {
        let at = usize::from(fact.0);
        if at < NAMES.len() { self.known & bit(fact) != 0 } else { self.series[at - NAMES.len()].set != Timestamp::MIN }
    }

    /// The raw value of a fact, if it is known.
    #[inline]
    #[must_use]
    pub fn raw(&self, fact: FactId) -> Option<i128> {
        if fact == UNIT.id
            && let Some(share) = self.unit_share
        {
            return self.deferred_unit(share).map(FactValue::to_raw);
        }
        let at = usize::from(fact.0);
        self.is_known(fact).then(|| if at < NAMES.len() { self.own[at] } else { self.series[at - NAMES.len()].raw })
    }

    /// Whether all of these facts are known: one bit a slot.
    #[inline]
    pub(crate) fn knows(&self, bits: u64) -> bool {
        self.known & bits == bits
    }

    /// The lower 64 bits of the raw value of one of the engine's own facts, known or not.
    #[inline]
    pub(crate) fn low_bits(&self, fact: FactId) -> u64 {
        self.own[usize::from(fact.0)] as u64
    }

    /// Whether the raw value of one of the engine's own facts, known or not, lies between these.
    #[inline]
    pub(crate) fn own_between(&self, fact: FactId, (low, high): (i128, i128)) -> bool {
        let raw = self.own[usize::from(fact.0)];
        low < raw && raw < high
    }

    /// Whether the raw value of one of the engine's own facts, known or not, lies under this.
    #[inline]
    pub(crate) fn own_under(&self, fact: FactId, high: i128) -> bool {
        self.own[usize::from(fact.0)] < high
    }

    /// A fact, if it is known.
    #[inline]
    #[must_use]
    pub fn get<T: FactValue>(&self, fact: Fact<T>) -> Option<T> {
        self.raw(fact.id).map(T::from_raw)
    }

    /// How long ago a series, or the price, was told. Of the engine's other facts that is not kept: they are told anew with every input
    /// or have a time of their own, such as [`VOLATILITY_SINCE`].
    #[must_use]
    pub fn age(&self, fact: FactId) -> Option<Duration> {
        let told = match usize::from(fact.0).checked_sub(NAMES.len()) {
            Some(series) => self.series[series].set,
            None if fact == PRICE.id => self.priced,
            None => return None,
        };
        self.raw(fact).map(|_| self.now.since(told))
    }

    /// A series as it was told last, to be put back after something was supposed of it.
    #[must_use]
    pub fn told(&self, series: units::SeriesId) -> Told {
        Told { series, slot: self.series[series.index()] }
    }

    /// Changes what a series has told, which makes it no younger. What was told nothing is told nothing.
    pub fn correct(&mut self, series: units::SeriesId, value: units::Ratio) {
        if self.get(self::series(series)).is_some() {
            self.series[series.index()].raw = value.to_raw();
        }
    }

    /// Puts back what a series told, at the time at which it told that.
    pub fn put_back(&mut self, told: Told) {
        self.series[told.series.index()] = told.slot;
    }

    /// Writes every slot.
    pub fn save(&self, out: &mut StateWriter) {
        out.i64(self.now.nanos());
        out.i64(self.priced.nanos());
        let unit = self.raw(UNIT.id);
        out.u64(self.known & !bit(UNIT.id) | if unit.is_some() { bit(UNIT.id) } else { 0 });
        for (slot, raw) in self.own.iter().enumerate() {
            let raw = if slot == usize::from(UNIT.id.0) { &unit.unwrap_or(0) } else { raw };
            // Drawdown is told anew before each decision, and not by a price for which nothing is decided: no state.
            out.i128(if slot == usize::from(DRAWDOWN.id.0) { 0 } else { *raw });
        }
        out.len(self.series.len());
        for (index, slot) in (FIRST_SERIES..).zip(&self.series) {
            let slot = if self.passing.contains(&FactId(index)) { &EMPTY } else { slot };
            out.i128(slot.raw);
            out.i64(slot.set.nanos());
        }
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.changed, self.unit_share) = (u64::MAX, None);
        (self.now, self.priced) = (Timestamp::from_nanos(from.i64()?), Timestamp::from_nanos(from.i64()?));
        self.known = from.u64()?;
        for raw in &mut self.own {
            *raw = from.i128()?;
        }
        if from.len()? != self.series.len() {
            return Err(Corrupt { at: 0, what: "another number of facts" });
        }
        for slot in &mut self.series {
            *slot = Slot { raw: from.i128()?, set: Timestamp::from_nanos(from.i64()?) };
        }
        Ok(())
    }
}

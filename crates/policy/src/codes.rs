//! The table of diagnostic codes. A code is stable: it never changes its meaning, and a dropped one is not used again.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $title:literal, $explanation:literal;)*) => {
        /// What kind of finding a diagnostic is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(
                #[doc = $title]
                $variant,
            )*
        }

        impl Code {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Every code, in order.
            #[must_use]
            pub fn all() -> &'static [Self] {
                Self::ALL
            }

            /// As it is shown and searched for: `P014`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it is about, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// What it means, with an example that is wrong and one that is right.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation),* }
            }
        }
    };
}

impl Code {
    /// The code of a name; case does not matter.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

codes! {
    Syntax = "P001", "not TOML",
"A policy is a TOML file. The most frequent slip is a quantity without quotes: TOML knows
plain numbers only, so everything with a unit is written as a string.

wrong
    [stop]
    initial = 3N

right
    [stop]
    initial = \"3N\"";

    Duplicate = "P002", "set twice",
"Every key and every section stands once. Trimtab does not guess which one was meant.

wrong
    [stop]
    initial = \"2N\"
    initial = \"3N\"

right
    [stop]
    initial = \"3N\"";

    UnknownKey = "P003", "unknown key",
"A key that no rule reads would be a limit that you believe in and that does not exist, so
unknown keys are errors. The message names the nearest key, or the section where it belongs.

wrong
    [caps]
    levrage = 2.5

right
    [caps]
    leverage = 2.5";

    UnknownSection = "P004", "unknown section",
"The sections are [structure], [allocation], [signal], [unit], [size], [pyramid], [stop], [ladder], [streak],
[caps], [floor], [trade], [modes], [guards] and [backtest]; lists of them are [[accounts]], [[limits]],
[[hedges]], [[backtest.flows]] and [[adopt]].

wrong
    [cap]
    leverage = 2.5

right
    [caps]
    leverage = 2.5";

    MissingKey = "P005", "missing key",
"The section is there, but a value that has no default is not.

wrong
    [size]
    kind = \"volatility_target\"
    target = \"60%\"

right
    [size]
    kind = \"volatility_target\"
    target = \"60%\"
    volatility = \"series(dvol.btc, 4d)\"";

    MissingSection = "P006", "missing section",
"A policy needs at least [signal] (which side, and when) and [size] (how much). Everything
else is a technique that you may leave out.

wrong
    policy = 1
    name = \"always-long\"
    instrument = \"binance:BTCUSDT-PERP\"

right
    policy = 1
    name = \"always-long\"
    instrument = \"binance:BTCUSDT-PERP\"

    [signal]
    kind = \"constant\"
    strength = 1.0

    [size]
    kind = \"fixed_fraction\"
    fraction = 1.0";

    WrongType = "P007", "wrong type",
"TOML's own types: a count or a ratio may be a bare number, a quantity is a string, a list is
in brackets, a switch is true or false.

wrong
    [ladder]
    at = \"2R\"
    fractions = 0.25

right
    [ladder]
    at = [\"2R\"]
    fractions = [0.25]";

    Version = "P008", "policy version",
"`policy` names the version of the language, so that a policy never changes its meaning when
trimtab is updated. This build reads version 1. A higher number was made for a newer trimtab:
update it; do not lower the number, because the policy may use words that mean something else here.
A lower one, once there are any, `trimtab fmt --migrate` rewrites as the present one. Version 1 is the first.

wrong
    policy = 2

right
    policy = 1";

    TooLarge = "P009", "too large",
"A policy text is at most 1 MiB, a string at most 256 characters, and at most 100 findings are
shown. A real policy is far from each; a file over them is usually not a policy at all.

wrong
    name = \"…1,000 characters…\"

right
    name = \"btc-trend\"";

    NeedsStop = "P010", "R without a stop",
"R is the distance from the entry fill to the initial stop: what the trade risks. Without a stop
there is no R, so nothing can be measured or sized in it.

wrong
    [ladder]
    at = [\"2R\"]
    fractions = [0.5]

right
    [stop]
    initial = \"2N\"

    [ladder]
    at = [\"2R\"]
    fractions = [0.5]";

    NeedsUnit = "P011", "N without a unit",
"N is the volatility unit in price terms, frozen when a campaign opens. Stops and adds are
multiples of it, so [unit] has to say what it is.

wrong
    [stop]
    initial = \"2N\"

right
    [unit]
    n = \"atr(20, 1d)\"

    [stop]
    initial = \"2N\"";

    Instrument = "P012", "instrument",
"An instrument is `venue:SYMBOL`: the venue in lower case, the symbol as the tape has it.

wrong
    instrument = \"BTCUSDT\"

right
    instrument = \"binance:BTCUSDT-PERP\"";

    Currency = "P013", "another currency",
"A linear perpetual is margined and settled in its quote currency, so the deposit is in it, and
quantities are in its base currency.

wrong
    instrument = \"binance:BTCUSDT-PERP\"
    [backtest]
    deposit = \"1_000_000 USD\"

right
    instrument = \"binance:BTCUSDT-PERP\"
    [backtest]
    deposit = \"1_000_000 USDT\"";

    LadderOversold = "P014", "ladder sells more than the position holds",
"Fractions of the first unit or of the peak size add up; over 1.00 the last rungs would have
nothing left to sell. Fractions of the current size multiply and may add up to any sum: three
rungs of 0.40 leave 0.60 × 0.60 × 0.60 = 21.6 %.

wrong
    [ladder]
    at = [\"1R\", \"2R\", \"3R\"]
    fractions = [0.40, 0.40, 0.40]
    of = \"peak\"

right
    [ladder]
    at = [\"1R\", \"2R\", \"3R\"]
    fractions = [0.40, 0.40, 0.20]
    of = \"peak\"";

    RungOrder = "P015", "rungs out of order",
"Rungs are listed from the nearest to the farthest, each farther than the one before.

wrong
    [ladder]
    at = [\"4R\", \"2R\"]
    fractions = [0.25, 0.25]

right
    [ladder]
    at = [\"2R\", \"4R\"]
    fractions = [0.25, 0.25]";

    Lengths = "P016", "lists of different length",
"Two lists that belong together have as many entries: each rung its fraction, each unit its weight.

wrong
    [pyramid]
    units = 4
    weights = [4, 3, 2]
    step = \"1N\"

right
    [pyramid]
    units = 4
    weights = [4, 3, 2, 1]
    step = \"1N\"";

    SpanOrder = "P017", "averages the wrong way round",
"The fast average has the shorter span. The other way round the signal would be inverted.

wrong
    [signal]
    kind = \"ema_cross\"
    bar = \"1h\"
    fast = 50
    slow = 20

right
    [signal]
    kind = \"ema_cross\"
    bar = \"1h\"
    fast = 20
    slow = 50";

    DrawdownOrder = "P018", "drawdown levels out of order",
"Levels are listed from the mildest to the worst: `at` rises, `factor` falls.

wrong
    [caps]
    drawdown = [
        { at = \"20%\", restore = \"10%\", factor = 0.0 },
        { at = \"10%\", restore = \"5%\", factor = 0.5 },
    ]

right
    [caps]
    drawdown = [
        { at = \"10%\", restore = \"5%\", factor = 0.5 },
        { at = \"20%\", restore = \"10%\", factor = 0.0 },
    ]";

    RestoreOrder = "P019", "restore level beyond its limit",
"A breach of a limit reduces to the restore level; between the two nothing moves. The restore
level is therefore never beyond the limit. For a drawdown it lies truly under it, or the level
would be left the moment it is reached.

wrong
    [caps]
    leverage = 2.0
    leverage_restore = 2.5

right
    [caps]
    leverage = 2.5
    leverage_restore = 2.0";

    Unreadable = "P020", "not a value",
"A string holds one number, one quantity or one fact. Thousands are separated by `_`, decimals
by a point. Units are %, bp, R, N, times (ms, s, m or min, h, d, w; m is minutes) and currencies.

wrong
    [trade]
    buffer = \"10 percent\"

right
    [trade]
    buffer = \"10%\"";

    WrongUnit = "P021", "unit that does not fit",
"Each key takes one kind of quantity: `step` a distance in N, `at` a profit in R, `target` a
volatility, `latency` a time. Nothing is converted silently.

wrong
    [pyramid]
    units = 4
    step = \"2R\"

right
    [pyramid]
    units = 4
    step = \"0.5N\"";

    OutOfRange = "P022", "out of range",
"The value is of the right kind, but larger or smaller than makes sense, finer than can be kept,
or not whole where a count is needed.

wrong
    [caps]
    leverage = 500

right
    [caps]
    leverage = 5";

    UnknownWord = "P023", "not one of the choices",
"The key takes one of a few words.

wrong
    [ladder]
    at = [\"2R\"]
    fractions = [0.25]
    of = \"max\"

right
    [ladder]
    at = [\"2R\"]
    fractions = [0.25]
    of = \"peak\"";

    UnknownFunction = "P024", "unknown fact",
"`unit.n` is a distance in price: `atr(bars, bar)`, `implied_move(series, max_age)` or
`of_price(share)`.

`size.volatility` is an annualised volatility: `series(name, max_age)`, `ewma(half_life, bar)`,
`parkinson(half_life, bar)`, `garman_klass(half_life, bar)`, `iv.atm(underlying, tenor)`,
`book.volatility(underlying)`, `structure.volatility()`, or of two of them
`blend(first, second, weight of the first)`.

`signal.series` is a series' name, or `iv.rank(underlying, tenor, window)`,
`skew(underlying, tenor)` or `term.slope(underlying, short tenor, long tenor)`.

wrong
    [unit]
    n = \"true_range(20, 1d)\"

right
    [unit]
    n = \"atr(20, 1d)\"";

    Arguments = "P025", "arguments of a fact",
"A fact has too few or too many arguments, or one that it does not take: a number where a
percentage or a span of time is needed, one beyond its range, a method or venue that there is
not. Or a series is not called by its name. The message says how the fact is called.

wrong
    [unit]
    n = \"atr(20)\"
    [[limits]]
    of = \"var(0.99, 1d)\"
    over = \"5%\"

right
    [unit]
    n = \"atr(20, 1d)\"
    [[limits]]
    of = \"var(99%, 1d)\"
    over = \"5%\"";

    BarLength = "P026", "bars that do not tile a day",
"Bars are aligned to midnight UTC. Their length divides a day, or is a whole number of days, and
is at least a minute.

wrong
    [signal]
    kind = \"donchian\"
    bar = \"7h\"
    entry = 48
    exit = 24

right
    [signal]
    kind = \"donchian\"
    bar = \"8h\"
    entry = 48
    exit = 24";

    OtherKind = "P027", "key of another kind",
"A section with a `kind` takes only the keys of that kind.

wrong
    [size]
    kind = \"fixed_fraction\"
    fraction = 1.0
    target = \"60%\"

right
    [size]
    kind = \"volatility_target\"
    target = \"60%\"
    volatility = \"series(dvol.btc)\"";

    Text = "P028", "name",
"The policy's name is shown in reports and file lists: one to 64 characters, no control
characters, no space at either end.

wrong
    name = \"\"

right
    name = \"btc-trend\"";

    LastLevel = "P029", "the last drawdown level leaves exposure",
"No cut can lower a drawdown that has happened, so only zero exposure makes the last level a
limit. Add a level with factor 0.

wrong
    [caps]
    drawdown = [{ at = \"10%\", restore = \"5%\", factor = 0.5 }]

right
    [caps]
    drawdown = [
        { at = \"10%\", restore = \"5%\", factor = 0.5 },
        { at = \"20%\", restore = \"10%\", factor = 0.0 },
    ]";

    NeedsVolatility = "P030", "volatility that nothing reads",
"A rung by volatility waits for the volatility that sizing reads. A size of another kind reads none.

wrong
    [size]
    kind = \"fixed_fraction\"
    fraction = 1.0

    [ladder]
    at = [\"volatility(80%)\"]
    fractions = [0.5]

right
    [size]
    kind = \"volatility_target\"
    target = \"60%\"
    volatility = \"series(dvol.btc, 4d)\"

    [ladder]
    at = [\"volatility(80%)\"]
    fractions = [0.5]";

    Window = "P031", "window of time",
"A blackout is a window in UTC: every day from one time to another, a day of the week, a part of the
week, or once from an instant for a span. Its end is not in it.

wrong
    [guards]
    blackout = [\"22:00\"]

right
    [guards]
    blackout = [\"22:00-23:00\", \"sat\", \"sat 12:00-sun 18:00\", \"2022-06-15T17:30Z/2h\"]";

    NoEffect = "P040", "has no effect",
"A warning: with the rest of this policy, the setting changes nothing. Take it out, or add what
it acts on.

wrong
    [size]
    kind = \"fixed_fraction\"
    fraction = 1.0
    resize = \"entry\"
    [trade]
    buffer = \"10%\"

right
    [size]
    kind = \"fixed_fraction\"
    fraction = 1.0
    resize = \"continuous\"
    [trade]
    buffer = \"10%\"";

    SlowExit = "P041", "exit channel longer than the entry channel",
"A warning: an exit channel longer than the entry channel gives back more than a reversal would.
Turtle rules enter on 20 days and leave on 10.

wrong
    [signal]
    kind = \"donchian\"
    bar = \"1d\"
    entry = 20
    exit = 55

right
    [signal]
    kind = \"donchian\"
    bar = \"1d\"
    entry = 20
    exit = 10";

    CapAlwaysBinds = "P042", "the cap is under the size",
"A warning: the full size is larger than a cap allows, so the cap decides the size whenever the
signal is on. Lower the size, so that the cap is there for trouble only.

wrong
    [size]
    kind = \"fixed_fraction\"
    fraction = 3.0
    [caps]
    leverage = 2.0

right
    [size]
    kind = \"fixed_fraction\"
    fraction = 1.5
    [caps]
    leverage = 2.0";

    UnitsOutOfReach = "P043", "units that the ladder forbids",
"A warning: adds end after the first rung. A first rung nearer than the last unit means that this
unit is never bought on a straight move. Move the rung out, take fewer units, or set `readd = true`.

wrong
    [pyramid]
    units = 4
    step = \"1N\"
    [stop]
    initial = \"2N\"
    [ladder]
    at = [\"1R\"]          # 2N in favour, but unit 4 is 3N in favour
    fractions = [0.25]

right
    [pyramid]
    units = 4
    step = \"1N\"
    [stop]
    initial = \"2N\"
    [ladder]
    at = [\"2R\"]
    fractions = [0.25]";

    TightTrail = "P044", "trail tighter than the initial stop",
"A warning: the trailing stop starts at the entry, so a trail nearer than the initial stop replaces it at
once. R would still be counted from the initial stop, which never rests in the market.

wrong
    [stop]
    initial = \"3N\"
    trail = \"2N\"

right
    [stop]
    initial = \"3N\"
    trail = \"6N\"";

    Collateral = "P045", "coin in an account that counts in dollars",
"A warning: coin that lies in an account which counts in dollars is exposure. A drawdown or loss limit makes the
strategy flat, and the coin may fall on; a volatility target does not count a coin that is not traded.

wrong
    instrument = \"deribit:BTC-PERPETUAL\"

    [[accounts]]
    venue = \"deribit\"
    numeraire = \"USD\"
    deposit = \"10 BTC\"

    [caps]
    drawdown = [{ at = \"20%\", restore = \"10%\", factor = 0.0 }]

right
    instrument = \"deribit:BTC-PERPETUAL\"

    [[accounts]]
    venue = \"deribit\"
    numeraire = \"BTC\"
    deposit = \"10 BTC\"

    [caps]
    drawdown = [{ at = \"20%\", restore = \"10%\", factor = 0.0 }]";

    CountedTwice = "P046", "series in the target of a volatility target",
"A warning: a size by volatility already divides by the volatility that is forecast, and a series that scales its
target acts on the same swings once more. A forecast scales caps, adds and distances. What cuts the size for
another reason belongs into its cap.

wrong
    [size]
    kind = \"volatility_target\"
    target = \"40% * series(forecast.calm, 1d)\"
    volatility = \"ewma(20d, 1h)\"

right
    [size]
    kind = \"volatility_target\"
    target = \"40%\"
    volatility = \"ewma(20d, 1h)\"
    exposure_cap = \"clamp(2 * series(forecast.calm, 1d), 0.5, 2)\"";

    Instruments = "P060", "list of instruments",
"A policy trades one instrument, named under `instrument`, or several, listed once each under
`instruments`.

wrong
    instruments = [\"binance:BTCUSDT-PERP\", \"binance:BTCUSDT-PERP\"]

right
    instruments = [\"binance:BTCUSDT-PERP\", \"binance:ETHUSDT-PERP\"]";

    Placeholder = "P061", "placeholder that cannot be filled",
"`{base}` in the name of a series stands for the instrument's base currency in lower case: `dvol.{base}`
is `dvol.eth` for binance:ETHUSDT-PERP. A symbol that does not begin with its base currency leaves it
open.

wrong
    instrument = \"sim:weather\"

    [size]
    kind = \"volatility_target\"
    target = \"60%\"
    volatility = \"series(dvol.{base}, 4d)\"

right
    instrument = \"binance:ETHUSDT-PERP\"

    [size]
    kind = \"volatility_target\"
    target = \"60%\"
    volatility = \"series(dvol.{base}, 4d)\"";

    Accounts = "P062", "accounts",
"Each venue has one account, under [[accounts]], with what is paid in. Without [[accounts]] the deposit of
[backtest] is the only account, at the venue of the first instrument.

wrong
    instruments = [\"binance:BTCUSDT-PERP\", \"deribit:BTC-PERPETUAL\"]

    [backtest]
    deposit = \"100_000 USDT\"

right
    instruments = [\"binance:BTCUSDT-PERP\", \"deribit:BTC-PERPETUAL\"]

    [[accounts]]
    venue = \"binance\"
    deposit = \"100_000 USDT\"

    [[accounts]]
    venue = \"deribit\"
    numeraire = \"USD\"
    deposit = \"2 BTC\"";

    Flow = "P063", "movement of money",
"An entry of [[backtest.flows]] moves money once: a deposit, a withdrawal, a transfer between two
accounts, or a conversion within one.

wrong
    [[backtest.flows]]
    at = \"2022-06-01\"
    transfer = \"1_000 USDT\"
    from = \"binance\"
    to = \"binance\"

right
    [[backtest.flows]]
    at = \"2022-06-01\"
    convert = \"1_000 USDT\"
    into = \"BTC\"";

    FeeTiers = "P064", "fee tiers",
"Fee tiers begin at a volume of zero and rise. They stand in place of `taker_fee` and `maker_fee`.

wrong
    [backtest]
    taker_fee = \"5bp\"
    fee_tiers = [{ volume = \"15_000_000 USDT\", taker = \"4bp\", maker = \"1.6bp\" }]

right
    [backtest]
    fee_tiers = [
        { volume = \"0 USDT\", taker = \"5bp\", maker = \"2bp\" },
        { volume = \"15_000_000 USDT\", taker = \"4bp\", maker = \"1.6bp\" },
    ]";

    Adopt = "P065", "adopted position",
"An existing position is taken over with its anchors: signed quantity, entry, and N where stops or
units are measured in it. Its stop is on the losing side of the entry.

wrong
    [[adopt]]
    quantity = -0.5
    entry = 42_000
    stop = 40_000

right
    [[adopt]]
    quantity = -0.5
    entry = 42_000

    [signal]
    kind = \"constant\"
    strength = -1.0";

    Structure = "P066", "structure of options",
"A structure names its options by right, delta or share of the forward, and days to expiry. It is the
instrument, and no other stands beside it; what needs a liquidation price does not go with it.

wrong
    instrument = \"deribit:BTC-27MAR26-100000-C\"

    [structure]
    chain = \"deribit:BTC\"
    legs = [{ right = \"call\", days = 30 }]

right
    [structure]
    chain = \"deribit:BTC\"
    legs = [{ right = \"call\", delta = 0.25, days = 30 }]";

    NeverHolds = "P067", "entry that waits for what only it can make known",
"`ruin` and `kelly` go by the returns of the account's own days, and are not known before sixty of them. An
account that never traded has none, so a strategy that enters only once they are known never does. Let it begin
while they are not known, by other facts or by none. A limit bars entries while what it limits is not known: write
`of = \"if(known(ruin(50%)), ruin(50%), 0)\"`, or `1000` for the last number where the limit is an `under`.

wrong
    [signal]
    kind = \"constant\"
    strength = 1.0
    when = \"kelly(365d) >= 1\"

right
    [signal]
    kind = \"constant\"
    strength = 1.0
    when = \"!known(kelly(365d)) || kelly(365d) >= 1\"";

    Limits = "P068", "limit on a fact",
"An entry of [[limits]] limits a number: over or under what it is breached, and the level that a breach is
brought back to. A position is reduced only for what follows from what is held. Some position has to keep all
of them: limits of one number, over and under, leave something between them and restore to within it.

wrong
    [[limits]]
    of = \"iv.rank(BTC, 30d, 365d)\"
    over = \"90%\"
    restore = \"70%\"

right
    [[limits]]
    of = \"iv.rank(BTC, 30d, 365d)\"
    over = \"90%\"
    restore = \"70%\"
    action = \"no_increase\"";

    Parameter = "P069", "parameter",
"[parameters] declares values by name, and `$name` stands for one wherever it is meant: alone as a whole value,
or inside a fact or an expression. A parameter may state its range.

wrong
    [parameters]
    units = { value = 6, least = 1, most = 4 }

    [pyramid]
    units = \"$unit\"
    step = \"0.5N\"

right
    [parameters]
    units = { value = 4, least = 1, most = 4 }

    [pyramid]
    units = \"$units\"
    step = \"0.5N\"";

    Hedges = "P070", "hedge",
"A hedge trades an instrument of its own, on the coin whose delta it holds in a band. Without `strategies` it
hedges the options of its own policy; what trades a direction is hedged only where it is named. Two hedges
never look at the same positions on one coin: each would hedge all of them.

wrong
    instrument = \"binance:BTCUSDT-PERP\"

    [[hedges]]
    instrument = \"deribit:BTC-PERPETUAL\"
    band = \"0.2 BTC\"

right
    [structure]
    chain = \"deribit:BTC\"
    legs = [{ right = \"call\", delta = 0.25, days = 30 }]

    [[hedges]]
    instrument = \"deribit:BTC-PERPETUAL\"
    band = \"0.2 BTC\"";

    AlwaysSame = "P071", "comparison that is always the same",
"A warning: the comparison gives the same at every decision, whatever the market does: it compares numbers,
a fact with itself, or a fact with a number that it never reaches. Shares are from 0 to 1: 80 is not 80%.
Also a value that is never known (a division by zero, the root of a number under zero), and a `clamp` whose
least is over its most: the most counts then.

wrong
    [signal]
    kind = \"constant\"
    strength = 1.0
    when = \"iv.rank(BTC, 30d, 365d) > 80\"

right
    [signal]
    kind = \"constant\"
    strength = 1.0
    when = \"iv.rank(BTC, 30d, 365d) > 80%\"";

    Contradiction = "P080", "objectives that contradict each other",
"Two objectives cannot both hold, or one asks for what the other forbids: a day's loss over the worst drawdown,
a return that needs more drawdown than is borne, views on opposite sides in one policy. Both lines are shown.

wrong
    worst_drawdown = \"10%\"
    daily_loss = \"15%\"

right
    worst_drawdown = \"10%\"
    daily_loss = \"2%\"";

    Evidence = "P081", "less evidence than is asked of it",
"An estimate is known by the record that says it, or by its standard error; and no record speaks for a time that is
longer than itself. A horizon shorter than one turn of the style sees nothing of it.

wrong
    horizon = \"365d\"
    [[views]]
    sharpe = 1.0
    evidence = \"90d\"

right
    horizon = \"365d\"
    [[views]]
    sharpe = 1.0
    evidence = \"1460d\"";

    Style = "P082", "style that does not go with what is traded",
"Styles in options sell those of a chain, the others trade instruments. A covered call is covered by the coin that its
account holds, so its options settle in coin. A carry, one contract against another, is two signals: no one policy.

wrong
    style = \"covered_call\"
    instrument = \"binance:BTCUSDT-PERP\"

right
    style = \"covered_call\"
    chain = \"deribit:BTC\"";

    IncludeRead = "P083", "included file that cannot be read",
"`include` names files relative to the file that it stands in. Each has to be there, to be a file and no folder
or device, to be UTF-8 text, and to be no larger than a policy may be.

wrong
    include = [\"no/such/file.toml\"]

right
    include = [\"desk/caps.toml\"]";

    IncludeCycle = "P084", "file that includes itself",
"A file may not come in by way of itself: a.toml includes b.toml, b.toml includes a.toml. The message tells
the way around.

wrong
    include = [\"a.toml\"]            # in b.toml, which a.toml includes

right
    include = [\"caps.toml\"]";

    IncludeLimits = "P085", "too many included files",
"A policy is at most 32 files, included at most 8 deep, and no larger in all than a policy may be.

wrong
    include = [\"9.toml\"]            # in 8.toml, which 7.toml includes, and so on

right
    include = [\"signal.toml\", \"size.toml\", \"caps.toml\"]";

    IncludeForm = "P086", "include that cannot be read",
"`include` is one list of file names on one line, before the first section. An included file has sections only:
what stands before them belongs to the file that includes it. Each file is read by itself, so that each has to be
TOML by itself.

wrong
    include = \"caps.toml\"

right
    include = [\"caps.toml\"]";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_explained() {
        let names: Vec<_> = Code::all().iter().map(|code| code.name()).collect();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
        for code in Code::all() {
            let explanation = code.explanation();
            assert!(explanation.contains("\nwrong\n    ") && explanation.contains("\nright\n    "), "{code}");
            assert!(explanation.lines().all(|line| line.len() <= 120 && line == line.trim_end()), "{code}");
            assert_eq!(Code::find(&code.name().to_lowercase()), Some(*code));
        }
    }
}

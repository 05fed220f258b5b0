//! Which keys exist, and where: for strictness, and for the suggestions in its messages.

/// Keys that stand before the first section.
pub(super) const ROOT: &[&str] = &["policy", "name", "instrument", "instruments", "capital"];

/// Every section with its keys.
pub(crate) const SECTIONS: &[(&str, &[&str])] = &[
    ("allocation", &["over", "multiplier"]),
    (
        "signal",
        &[
            "kind", "strength", "series", "max_age", "bar", "fast", "slow", "entry", "exit", "lookback", "sides",
            "reentry",
        ],
    ),
    ("unit", &["n"]),
    (
        "size",
        &["kind", "notional", "fraction", "risk", "target", "volatility", "volatility_floor", "exposure_cap", "resize"],
    ),
    ("pyramid", &["units", "weights", "spacing", "step", "max_chase"]),
    ("stop", &["initial", "follow", "trail", "break_even_after", "time", "time_reach"]),
    ("ladder", &["at", "fractions", "of", "readd"]),
    ("streak", &["factor", "cap"]),
    (
        "caps",
        &[
            "leverage",
            "leverage_restore",
            "drawdown",
            "rearm",
            "daily_loss",
            "weekly_loss",
            "on_loss",
            "open_risk",
            "gap",
            "exit_cost",
            "liquidation_distance",
        ],
    ),
    ("trade", &["buffer", "buffer_to", "min_order"]),
    ("backtest", &["deposit", "taker_fee", "maker_fee", "half_spread", "slippage", "latency", "twin_base"]),
];

/// The table of one entry in `caps.drawdown`.
pub(super) const DRAWDOWN_LEVEL: &str = "caps.drawdown";

/// Kinds of a section, each with the keys that only it and its like take.
pub(super) type Kinds = &'static [(&'static str, &'static [&'static str])];

pub(super) const SIGNAL_KINDS: Kinds = &[
    ("constant", &["strength"]),
    ("series", &["series", "max_age"]),
    ("ema_cross", &["bar", "fast", "slow"]),
    ("donchian", &["bar", "entry", "exit"]),
    ("momentum", &["bar", "lookback"]),
];

pub(super) const SIZE_KINDS: Kinds = &[
    ("fixed_notional", &["notional"]),
    ("fixed_fraction", &["fraction"]),
    ("risk_per_trade", &["risk"]),
    ("volatility_target", &["target", "volatility", "volatility_floor", "exposure_cap"]),
];

/// The keys of a section or table.
pub(super) fn keys_of(name: &str) -> &'static [&'static str] {
    match name {
        "" => ROOT,
        DRAWDOWN_LEVEL => &["at", "restore", "factor"],
        _ => SECTIONS.iter().find(|(section, _)| *section == name).map_or(&[], |(_, keys)| keys),
    }
}

/// The first section that takes a key.
pub(super) fn section_with(key: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|(_, keys)| keys.contains(&key)).map(|(name, _)| *name)
}

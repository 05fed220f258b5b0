//! Which keys exist, and where: for strictness, and for the suggestions in its messages.

use crate::spec::{ACCOUNTS_MAX, FEE_TIERS_MAX, FLOWS_MAX, INSTRUMENTS_MAX, LIMITS_MAX};

/// Keys that stand before the first section.
pub(crate) const ROOT: &[&str] = &["policy", "name", "instrument", "instruments", "capital"];

/// Every section with its keys.
pub(crate) const SECTIONS: &[(&str, &[&str])] = &[
    ("structure", &["chain", "legs", "max_spread", "min_open_interest", "roll", "sticky"]),
    ("allocation", &["over", "multiplier"]),
    (
        "signal",
        &[
            "kind", "strength", "series", "max_age", "bar", "fast", "slow", "entry", "exit", "lookback", "sides",
            "reentry", "when",
        ],
    ),
    ("unit", &["n"]),
    (
        "size",
        &["kind", "notional", "fraction", "risk", "target", "volatility", "volatility_floor", "exposure_cap", "resize"],
    ),
    ("pyramid", &["units", "weights", "spacing", "step", "max_chase", "max_units_per_event", "when"]),
    ("stop", &["initial", "follow", "trail", "break_even_after", "time", "time_reach", "trigger"]),
    ("ladder", &["at", "fractions", "of", "readd", "runner", "trigger"]),
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
    ("trade", &["buffer", "buffer_to", "min_order", "dust"]),
    ("guards", &["price_collar", "max_order", "max_orders", "per", "blackout"]),
    (
        "backtest",
        &[
            "deposit",
            "taker_fee",
            "maker_fee",
            "half_spread",
            "slippage",
            "latency",
            "twin_base",
            "fee_tiers",
            "option_fee",
            "option_margin",
            "option_maintenance",
            "flows",
        ],
    ),
];

/// Every list of sections, such as `[[accounts]]`, with the keys of an entry.
pub(crate) const LISTS: &[(&str, &[&str])] = &[
    ("accounts", &["venue", "numeraire", "deposit"]),
    ("limits", &["name", "of", "over", "under", "restore", "action"]),
    ("adopt", &["instrument", "quantity", "entry", "n", "stop", "units", "opened"]),
    (FLOWS, &["at", "deposit", "withdraw", "transfer", "convert", "account", "from", "to", "into"]),
];

/// The table of one movement of money.
pub(crate) const FLOWS: &str = "backtest.flows";
/// The table of one fee tier.
pub(crate) const FEE_TIERS: &str = "backtest.fee_tiers";

/// The table of one leg of a structure.
pub(crate) const LEGS: &str = "structure.legs";

/// The table of one entry in `caps.drawdown`.
pub(crate) const DRAWDOWN_LEVEL: &str = "caps.drawdown";

/// Kinds of a section, each with the keys that only it and its like take.
pub(crate) type Kinds = &'static [(&'static str, &'static [&'static str])];

pub(crate) const SIGNAL_KINDS: Kinds = &[
    ("constant", &["strength"]),
    ("series", &["series", "max_age"]),
    ("ema_cross", &["bar", "fast", "slow"]),
    ("donchian", &["bar", "entry", "exit"]),
    ("momentum", &["bar", "lookback"]),
];

pub(crate) const SIZE_KINDS: Kinds = &[
    ("fixed_notional", &["notional"]),
    ("fixed_fraction", &["fraction"]),
    ("risk_per_trade", &["risk"]),
    ("volatility_target", &["target", "volatility", "volatility_floor", "exposure_cap"]),
];

/// Entries of a list at most.
pub(super) fn entries_max(name: &str) -> usize {
    match name {
        "accounts" => ACCOUNTS_MAX,
        "limits" => LIMITS_MAX,
        "adopt" => INSTRUMENTS_MAX,
        FLOWS => FLOWS_MAX,
        _ => FEE_TIERS_MAX,
    }
}

/// The keys of a section or table.
pub(crate) fn keys_of(name: &str) -> &'static [&'static str] {
    match name {
        "" => ROOT,
        DRAWDOWN_LEVEL => &["at", "restore", "factor"],
        LEGS => &["right", "delta", "moneyness", "days", "ratio"],
        FEE_TIERS => &["volume", "taker", "maker"],
        _ => SECTIONS.iter().chain(LISTS).find(|(section, _)| *section == name).map_or(&[], |(_, keys)| keys),
    }
}

/// The first section that takes a key, as its header is written.
pub(super) fn section_with(key: &str) -> Option<String> {
    let among =
        |all: &[(&'static str, &[&str])]| all.iter().find(|(_, keys)| keys.contains(&key)).map(|(name, _)| *name);
    let single = among(SECTIONS).map(|name| format!("[{name}]"));
    single.or_else(|| among(LISTS).map(|name| format!("[[{name}]]")))
}

/// The header of a section or of a list's entry.
pub(super) fn header_of(name: &str) -> String {
    if LISTS.iter().any(|(list, _)| *list == name) { format!("[[{name}]]") } else { format!("[{name}]") }
}

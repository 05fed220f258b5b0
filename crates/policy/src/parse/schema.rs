//! Which keys exist, and where: for strictness, and for the suggestions in its messages.

use crate::objectives::VIEWS_MAX;
use crate::spec::{ACCOUNTS_MAX, FEE_TIERS_MAX, FLOWS_MAX, HEDGES_MAX, INSTRUMENTS_MAX, LIMITS_MAX};

/// A name and the keys under it.
type Named = (&'static str, &'static [&'static str]);

/// What a kind of text may say.
pub(crate) struct Language {
    /// What the text is, as messages call it.
    pub(super) text: &'static str,
    /// Keys that stand before the first section.
    pub(super) root: &'static [&'static str],
    /// Every section with its keys.
    pub(super) sections: &'static [Named],
    /// Every list of sections, with the keys of an entry.
    pub(super) lists: &'static [Named],
    /// Sections that must be there, each with a line to begin with.
    pub(super) required: &'static [(&'static str, &'static str)],
    /// Sections that are read before all others, and taken out.
    pub(super) others: &'static [&'static str],
}

/// A policy.
pub(crate) const POLICY: Language = Language {
    text: "policy",
    root: ROOT,
    sections: SECTIONS,
    lists: LISTS,
    required: &[("signal", "kind = \"constant\""), ("size", "kind = \"fixed_fraction\"")],
    others: &["parameters"],
};

/// What a participant wants.
pub(super) const OBJECTIVES: Language = Language {
    text: "file of objectives",
    root: &[
        "objectives",
        "name",
        "instrument",
        "instruments",
        "chain",
        "style",
        "series",
        "horizon",
        "worst_drawdown",
        "probability",
        "target",
        "return",
        "daily_loss",
        "leverage",
        "capital",
        "deposit",
        "adds",
        "ladder",
    ],
    sections: &[],
    lists: &[
        ("views", &["instrument", "side", "sharpe", "return", "evidence", "error"]),
        ("accounts", &["venue", "deposit"]),
    ],
    required: &[],
    others: &[],
};

/// Keys that stand before the first section.
pub(crate) const ROOT: &[&str] = &["policy", "name", "instrument", "instruments", "capital"];

/// Every section with its keys.
pub(crate) const SECTIONS: &[Named] = &[
    ("structure", &["chain", "legs", "max_spread", "min_open_interest", "roll", "sticky"]),
    ("allocation", &["over", "multiplier", "correlation", "weights", "drawdown", "drawdown_window"]),
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
        &[
            "kind",
            "notional",
            "fraction",
            "risk",
            "target",
            "volatility",
            "ratio_max_age",
            "volatility_floor",
            "exposure_cap",
            "greek",
            "level",
            "band",
            "strategies",
            "resize",
        ],
    ),
    ("pyramid", &["units", "weights", "spacing", "step", "max_chase", "max_units_per_event", "when"]),
    ("stop", &["initial", "follow", "trail", "break_even_after", "time", "time_reach", "trigger"]),
    ("ladder", &["at", "fractions", "of", "readd", "runner", "trigger"]),
    ("streak", &["factor", "cap", "over"]),
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
            "participation",
            "participation_window",
            "depth",
            "exit_time",
            "exit_time_restore",
            "usual_volume",
        ],
    ),
    ("floor", &["of", "share", "multiplier", "tolerance"]),
    ("trade", &["buffer", "buffer_to", "min_order", "dust"]),
    ("modes", &["reduce_only", "hold", "flatten", "restore_after", "stale_after"]),
    ("guards", &["price_collar", "max_order", "max_orders", "per", "blackout"]),
    (
        "backtest",
        &[
            "deposit",
            "taker_fee",
            "maker_fee",
            "half_spread",
            "slippage",
            "impact",
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
pub(crate) const LISTS: &[Named] = &[
    ("accounts", &["venue", "numeraire", "deposit"]),
    ("limits", &["name", "of", "over", "under", "restore", "action", "cut"]),
    (
        "hedges",
        &[
            "instrument",
            "strategies",
            "target",
            "band",
            "risk_aversion",
            "to",
            "alternatives",
            "give_up",
            "horizon",
            "capital_cost",
            "cost",
            "margin",
        ],
    ),
    ("adopt", &["instrument", "quantity", "entry", "n", "stop", "units", "opened"]),
    (FLOWS, &["at", "deposit", "withdraw", "transfer", "convert", "account", "from", "to", "into"]),
];

/// The table of one movement of money.
pub(crate) const FLOWS: &str = "backtest.flows";
/// The table of one fee tier.
pub(crate) const FEE_TIERS: &str = "backtest.fee_tiers";

/// The table of one leg of a structure.
pub(crate) const LEGS: &str = "structure.legs";

/// The table of one instrument that a hedge may trade instead.
pub(crate) const ALTERNATIVES: &str = "hedges.alternatives";

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
    ("volatility_target", &["target", "volatility", "ratio_max_age", "volatility_floor", "exposure_cap"]),
    ("greek_target", &["greek", "level", "band", "strategies"]),
];

/// Entries of a list at most.
pub(super) fn entries_max(name: &str) -> usize {
    match name {
        "accounts" => ACCOUNTS_MAX,
        "limits" => LIMITS_MAX,
        "hedges" => HEDGES_MAX,
        "adopt" => INSTRUMENTS_MAX,
        "views" => VIEWS_MAX,
        FLOWS => FLOWS_MAX,
        _ => FEE_TIERS_MAX,
    }
}

impl Language {
    /// The keys of a section or table.
    pub(crate) fn keys_of(&self, name: &str) -> &'static [&'static str] {
        match name {
            "" => self.root,
            DRAWDOWN_LEVEL => &["at", "restore", "factor"],
            LEGS => &["right", "delta", "moneyness", "days", "ratio"],
            FEE_TIERS => &["volume", "taker", "maker"],
            ALTERNATIVES => {
                &["instrument", "cost", "margin", "chain", "right", "delta", "moneyness", "days", "expected_volatility"]
            }
            _ => self.named().find(|(section, _)| *section == name).map_or(&[], |(_, keys)| keys),
        }
    }

    /// The first section that takes a key, as its header is written.
    pub(super) fn section_with(&self, key: &str) -> Option<String> {
        self.named().find(|(_, keys)| keys.contains(&key)).map(|(name, _)| self.header_of(name))
    }

    /// The header of a section or of a list's entry.
    pub(super) fn header_of(&self, name: &str) -> String {
        if self.lists.iter().any(|(list, _)| *list == name) { format!("[[{name}]]") } else { format!("[{name}]") }
    }

    fn named(&self) -> impl Iterator<Item = &'static Named> {
        self.sections.iter().chain(self.lists)
    }
}

//! Portfolio in, numbers out: margin tiers and liquidation

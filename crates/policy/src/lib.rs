//! Policy text to a checked program of rules, with diagnostics

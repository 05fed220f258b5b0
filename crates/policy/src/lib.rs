//! Policy text to a checked program of rules, with diagnostics.
//!
//! `policy` knows no market, venue or account: facts come in by name, targets go out. The engine feeds it.

mod codes;
mod compose;
mod diagnostic;
pub mod edit;
pub mod expression;
pub mod facts;
mod format;
mod hedge;
mod indicator;
pub mod keys;
pub mod level;
pub mod migration;
pub mod objectives;
mod parse;
mod print;
mod program;
mod region;
mod risk_fact;
mod rule;
pub mod rules;
mod setting;
pub mod spec;
mod structure;
mod surface_fact;
mod symbol;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod words;

pub use codes::Code;
pub use diagnostic::{Diagnostic, Severity, nearest};
pub use facts::{Code as CurrencyCode, Fact, FactId, FactValue, Facts};
pub use format::{FormatError, format};
pub use indicator::Indicator;
pub use parse::{DIAGNOSTICS_MAX, Parsed, STRING_CHARACTERS_MAX, TEXT_BYTES_MAX, name_fault, parse};
pub use print::to_toml;
pub use program::{
    CampaignTerms, CompileError, Program, Reduction, Reductions, VolumeTerms, evaluate, evaluate_asking, initial_stop,
    wins_after,
};
pub use region::Region;
pub use risk_fact::{Concentrated, MarginFigure, NoRiskFact, RiskFact, TailFact, TailMethod};
pub use rule::{
    Add, Arg, Because, Beside, EXITS_MAX, Exit, Limited, Outcome, Outgoing, Reason, Relief, Relieves, Rule, STEPS_MAX,
    Step, Target, Verdict,
};
pub use spec::Policy;
pub use surface_fact::{Greek, NoSurfaceFact, SurfaceFact};

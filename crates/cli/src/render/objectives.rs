//! What objectives come to, in a terminal.

use super::wrap;
use crate::terminal::Terminal;
use backtest::objectives::Proposal;
use units::show::{self, Style};

/// Prints what was asked, what follows, what binds, and what it rests on; the policy has the same as comments.
pub(crate) fn show(proposal: &Proposal, terminal: &Terminal) {
    let section = |title: &str, sentences: &[String]| {
        for (at, sentence) in sentences.iter().enumerate() {
            let title = if at == 0 { title } else { "" };
            terminal.result(format_args!("  {title:<12}{}", wrap(sentence, terminal.width(), 14)));
        }
    };
    section("asked", &proposal.asked);
    section("follows", &proposal.follows);
    for (at, bound) in proposal.bounds.iter().enumerate() {
        let title = if at == 0 { "target by" } else { "" };
        let target = show::percent(bound.target, 1, Style::Terminal);
        let binds = if bound.binds { "   binds" } else { "" };
        terminal.result(format_args!("  {title:<12}{:<16}{target:>7} %{binds}", bound.objective));
    }
    section("based on", &proposal.based_on);
    section("no promise", &proposal.cannot);
    if let Some(proof) = &proposal.proof {
        section("on tapes", &proof.sentences());
    }
}

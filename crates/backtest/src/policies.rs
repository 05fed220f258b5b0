//! A policy's text against what only a run knows: named stresses, and venues whose margin has a model.

use policy::spec::{self, is_dollar, settlements};
use policy::{Code, Diagnostic, Parsed, RiskFact, Severity};
use risk::scenario::NamedStress;
use risk::venues::VenueRules;

/// Reads a policy as [`policy::parse`] does, and checks the names in its facts of risk too.
///
/// ```
/// let text = "policy = 1\nname = \"x\"\ninstrument = \"binance:BTCUSDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
///             when = \"stress(2025-10-11) < 20%\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n";
/// let parsed = backtest::parse(text);
/// assert_eq!(parsed.policy, None);
/// assert_eq!(parsed.diagnostics[0].help.as_deref(), Some("did you mean `2025-10-10`?"));
/// ```
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut parsed = policy::parse(text);
    // A venue without an account has been told.
    let is_new = |span: &std::ops::Range<usize>| parsed.diagnostics.iter().all(|told| told.span != *span);
    let traded: Vec<&str> = parsed.policy.iter().flat_map(|policy| policy.traded()).collect();
    let told = |(fact, span): &(RiskFact, _)| {
        let found = is_new(span).then(|| unknown(fact).or_else(|| untold(fact, &traded))).flatten();
        found.map(|found| Diagnostic { span: span.clone(), ..found })
    };
    let found: Vec<Diagnostic> = parsed.risk_facts.iter().filter_map(told).collect();
    if !found.is_empty() {
        parsed.add(found);
    }
    parsed
}

/// What a fact names that there is not.
fn unknown(fact: &RiskFact) -> Option<Diagnostic> {
    let of = |message: String, label: &str, help: String| {
        let (code, severity) = (Code::UnknownFunction, Severity::Error);
        Some(Diagnostic { code, severity, span: 0..0, message, label: label.to_owned(), help: Some(help), also: None })
    };
    match fact {
        RiskFact::Stress { name } if NamedStress::named(name).is_none() => {
            let known: Vec<String> = NamedStress::all().into_iter().map(|known| known.name).collect();
            let help = match policy::nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the stresses are {}", quoted(known.iter().map(String::as_str))),
            };
            of(format!("there is no stress `{name}`"), "no such stress", help)
        }
        RiskFact::Margin { venue, .. } if !VenueRules::venues().any(|known| known == venue) => {
            let help = match policy::nearest(venue, VenueRules::venues()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("venues with a model are {}", quoted(VenueRules::venues())),
            };
            of(format!("how `{venue}` margins is not known"), "no margin model of that venue", help)
        }
        RiskFact::Margin { venue, portfolio: true, .. } if !VenueRules::has_two(venue) => {
            let two = quoted(VenueRules::venues().filter(|venue| VenueRules::has_two(venue)));
            let help = format!("leave out `portfolio`; venues that have both are {two}");
            of(format!("`{venue}` has one margin, and no portfolio margin beside it"), "no such margin", help)
        }
        _ => None,
    }
}

/// A portfolio margin that has no rule for what the policy trades there, so that the fact would never be known.
fn untold(fact: &RiskFact, traded: &[&str]) -> Option<Diagnostic> {
    let RiskFact::Margin { venue, portfolio: true, .. } = fact else { return None };
    if venue != "deribit" {
        return None;
    }
    // What surely settles in no coin: Deribit's portfolio margin is one of inverse contracts.
    let is_linear = |symbol: &&&str| {
        let settles = settlements(symbol);
        spec::venue(symbol) == venue && !settles.is_empty() && settles.iter().all(|settle| is_dollar(settle))
    };
    let first = traded.iter().find(is_linear)?;
    let settle = settlements(first)[0];
    let message = format!(
        "`{first}` settles in {settle}, and the portfolio margin of `deribit` that is known is of one coin's inverse contracts: with it \
         the fact is not known"
    );
    let help = "leave out `portfolio`: the standard margin knows it; or trade the coin's inverse contract".to_owned();
    let (code, severity, label) = (Code::UnknownFunction, Severity::Error, "never known".to_owned());
    Some(Diagnostic { code, severity, span: 0..0, message, label, help: Some(help), also: None })
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A portfolio margin that has no rule for what is traded is told before a run goes without the fact.
    #[test]
    fn a_portfolio_margin_that_is_never_known_is_found() {
        let policy = |instrument: &str, fact: &str| {
            format!(
                "policy = 1\nname = \"x\"\ninstrument = \"{instrument}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\nwhen = \"{fact} < \
                 50%\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n"
            )
        };
        let of = |instrument: &str, fact: &str| parse(&policy(instrument, fact));
        let usdc = "deribit:BTC_USDC-PERPETUAL";
        let told = of(usdc, "margin.ratio(deribit, portfolio)");
        assert_eq!(told.policy, None);
        let found = told.diagnostics.iter().find(|told| told.label == "never known");
        assert!(found.is_some_and(|found| found.message.contains("settles in USDC")), "{:?}", told.diagnostics);
        for (instrument, fact) in
            [(usdc, "margin.ratio(deribit)"), ("deribit:BTC-PERPETUAL", "margin.ratio(deribit, portfolio)")]
        {
            let told = of(instrument, fact);
            assert!(told.policy.is_some(), "{instrument} {fact}: {:?}", told.diagnostics);
        }
    }
}

//! A policy's text against what only a run knows: named stresses, and venues whose margin has a model.

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
    let told = |(fact, span): &(RiskFact, _)| {
        is_new(span).then(|| unknown(fact)).flatten().map(|found| Diagnostic { span: span.clone(), ..found })
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

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

//! What policies trade and read that no tape has: structures of options, and facts that the engine makes of quotes.

use crate::Error;
use market::{Catalogue, Instrument, InstrumentKind};
use policy::{Policy, RiskFact, SurfaceFact, spec};
use std::collections::BTreeSet;

/// A catalogue with the structures and derived series of policies behind what the tapes have.
pub(crate) fn extended(mut catalogue: Catalogue, policies: &[Policy]) -> Result<Catalogue, Error> {
    for policy in policies {
        for (symbol, structure) in policy.structures() {
            let instrument = instrument(structure, symbol, &catalogue)?;
            if catalogue.instrument_id(symbol).is_none() {
                catalogue.instruments.push(instrument);
            }
        }
        for name in policy.series() {
            match (name.parse::<SurfaceFact>(), name.parse::<RiskFact>()) {
                (Ok(fact), _) => check(&fact, &name, policy, &catalogue)?,
                // Its names were checked with the policy's text.
                (_, Ok(_)) => {}
                _ => continue,
            }
            if catalogue.series_id(&name).is_none() {
                catalogue.series.push(name);
            }
        }
    }
    Ok(catalogue)
}

/// Whether there is something that a fact could be told of.
fn check(fact: &SurfaceFact, name: &str, policy: &Policy, catalogue: &Catalogue) -> Result<(), Error> {
    let Some(base) = fact.base() else {
        if policy.structure.is_some() {
            return Ok(());
        }
        return Err(Error::Setup(format!(
            "the policy reads `{name}`, and it trades no structure: add `[structure]`, or size by `iv.atm(BTC, 30d)`"
        )));
    };
    let options = |of: &&Instrument| of.kind.is_option() && of.base.as_str() == base;
    if matches!(fact, SurfaceFact::Greek { .. }) || catalogue.instruments.iter().any(|of| options(&of)) {
        return Ok(());
    }
    Err(Error::Setup(format!(
        "the policy reads `{name}`, and no tape has quotes of options on {base}: make one with `trimtab import options` and give \
         it with `--tape`"
    )))
}

/// The instrument that a policy's structure is: on the grid on which every leg is a whole number of lots.
fn instrument(structure: &spec::Structure, symbol: &str, catalogue: &Catalogue) -> Result<Instrument, Error> {
    let (base, quote) = spec::currencies(symbol).unwrap_or_default();
    let venue = spec::venue(symbol);
    let legs: Vec<&Instrument> = catalogue
        .instruments
        .iter()
        .filter(|of| of.kind.is_option() && of.venue() == venue)
        .filter(|of| of.base.as_str() == base && of.settle.as_str() == quote)
        .collect();
    let (Some(first), chain) = (legs.first(), &structure.chain) else {
        let options = catalogue.instruments.iter().filter(|of| of.kind.is_option());
        let chain = |of: &Instrument| {
            let paid = if of.settle == of.base { String::new() } else { format!("_{}", of.settle) };
            format!("`{}:{}{paid}`", of.venue(), of.base)
        };
        let others: Vec<String> = options.map(chain).collect::<BTreeSet<_>>().into_iter().collect();
        let others =
            if others.is_empty() { String::new() } else { format!("; they have those of {}", others.join(" and ")) };
        return Err(Error::Setup(format!(
            "no tape has options of the chain `{}`{others}: make one with `trimtab import options` and give it with `--tape`",
            structure.chain
        )));
    };
    let lot = legs.iter().map(|of| of.lot).max().unwrap_or(first.lot);
    let least = legs.iter().map(|of| of.min_qty).max().unwrap_or(first.min_qty);
    let (lot, min_qty) = structure.grid(lot, least).ok_or_else(|| {
        Error::Setup(format!(
            "the ratios of `structure.legs` fit no quantity: every leg is a whole number of lots of {lot} in `{chain}`"
        ))
    })?;
    Ok(Instrument {
        symbol: symbol.to_owned(),
        kind: InstrumentKind::Structure,
        base: first.base,
        quote: first.quote,
        settle: first.settle,
        tick: legs.iter().map(|of| of.tick).min().unwrap_or(first.tick),
        lot,
        min_qty,
    })
}

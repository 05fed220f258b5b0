//! The volatility that sizing reads, where a recorded series tells it.

use super::Walk;
use crate::audit::finding::{At, shown};
use crate::records::PositionRow;
use market::{Catalogue, SeriesPoint};
use policy::Policy;
use policy::spec::{SizeKind, VolatilitySource};
use std::collections::BTreeMap;
use units::{SeriesId, Timestamp};

/// The last values of series that strategies size by first of all.
#[derive(Default)]
pub(super) struct Series {
    last: BTreeMap<SeriesId, Option<(f64, Timestamp)>>,
}

impl Series {
    pub(super) fn new(policies: &[Policy], catalogue: &Catalogue) -> Self {
        let named = policies.iter().filter_map(|policy| match first(policy) {
            Some(VolatilitySource::Series { name, .. }) => catalogue.series_id(name),
            _ => None,
        });
        Self { last: named.map(|series| (series, None)).collect() }
    }

    pub(super) fn read(&mut self, at: Timestamp, point: &SeriesPoint) {
        if let Some(last) = self.last.get_mut(&point.series) {
            *last = Some((point.value.get(), at));
        }
    }
}

/// Where a policy's volatility comes from before all else.
fn first(policy: &Policy) -> Option<&VolatilitySource> {
    match &policy.size.kind {
        SizeKind::VolatilityTarget { sources, .. } => sources.first(),
        _ => None,
    }
}

impl Walk<'_> {
    /// A row tells the series' value while it is new enough; then that of a fallback, or none.
    pub(super) fn volatility(&mut self, strategy: usize, position: &PositionRow, at: At<'_>) {
        let policy = &self.policies[strategy];
        let expected = match first(policy) {
            Some(VolatilitySource::Series { name, max_age }) => {
                let id = self.told.counted.catalogue.series_id(name);
                let told = id.and_then(|id| self.series.last.get(&id).copied().flatten());
                let fresh = told.filter(|(value, told)| *value > 0.0 && self.at.since(*told) < *max_age);
                let is_only =
                    matches!(&policy.size.kind, SizeKind::VolatilityTarget { sources, .. } if sources.len() == 1);
                let is_at_its_end = told.is_some_and(|(_, told)| self.at.since(told) == *max_age);
                if is_at_its_end || (fresh.is_none() && !is_only) {
                    return;
                }
                fresh.map(|(value, _)| value)
            }
            _ => return,
        };
        self.found.ensure("volatility", position.volatility == expected, at, || {
            format!("sizing read {}, the tapes and the policy give {}", shown(position.volatility), shown(expected))
        });
    }
}

//! `[modes]`: when trading degrades.

use super::reader::{Doc, Reader, Section};
use super::typed::{self, Currencies};
use crate::spec::{Mode, Modes};
use units::Duration;

const DAY: Duration = Duration::DAY;
const LONGEST: Duration = Duration::from_nanos(30 * DAY.nanos());
/// How long a mode stays behind its condition, where the policy says nothing.
const RESTORE_AFTER: Duration = Duration::HOUR;

pub(super) fn modes<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, currencies: Currencies<'_>) -> Modes {
    let Some(section) = doc.section("modes") else { return Modes::default() };
    let when = Mode::ALL.map(|mode| typed::condition(reader, section, mode.rule(), currencies));
    let has_condition = Mode::ALL.iter().any(|mode| section.has(mode.rule()));
    Modes {
        restore_after: restore_after(reader, section, has_condition),
        stale_after: section
            .has("stale_after")
            .then(|| reader.duration(section, "stale_after", (Duration::SECOND, LONGEST), "\"10m\""))
            .flatten(),
        when,
    }
}

fn restore_after<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, has_condition: bool) -> Duration {
    let bounds = (Duration::ZERO, LONGEST);
    let told = reader.duration(section, "restore_after", bounds, "\"1h\"");
    // Without a condition it has no effect, which is told where all such keys are.
    if has_condition { told.unwrap_or(RESTORE_AFTER) } else { Duration::ZERO }
}

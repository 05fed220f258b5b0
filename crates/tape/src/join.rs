//! Several tapes written as one.

use crate::overlap::Overlaps;
use crate::schema::QUOTES_VERSION;
use crate::{AppliedRepair, Merged, Provenance, TapeError, TapeHeader, TapeReader, TapeWriter, digest};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use units::Timestamp;

/// All that tapes hold, for [`join`].
pub const ALWAYS: Range<Timestamp> = Timestamp::MIN..Timestamp::MAX;

/// Merges what tapes received within some time into one at `out`, whose bytes depend on the tapes, their order and that time alone.
/// Refuses tapes that tell the same thing twice. `progress` is called with the rows done and all rows, and says whether to go on; `false`
/// is an interruption.
/// Returns the rows written, or `None` where it was interrupted and nothing is left.
pub fn join<P: AsRef<Path>>(
    tapes: &[P],
    out: impl AsRef<Path>,
    importer: &str,
    within: Range<Timestamp>,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<u64>, TapeError> {
    const REPORT_EVERY: u64 = 4_096;
    let readers = tapes.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>()?;
    let mut provenance = provenance(&readers, importer)?;
    for (name, time, none) in [("from", within.start, ALWAYS.start), ("to", within.end, ALWAYS.end)] {
        if time != none {
            provenance.options.insert(name.to_owned(), time.to_string());
        }
    }
    let mut merged = Merged::new(readers)?;
    let catalogue = merged.catalogue().clone();
    let mut overlaps = Overlaps::new(&catalogue);
    let header = TapeHeader { catalogue: catalogue.clone(), provenance };
    let has_quotes = merged.infos().any(|info| info.version >= QUOTES_VERSION);
    let mut writer =
        if has_quotes { TapeWriter::with_quotes(out, &header)? } else { TapeWriter::create(out, &header)? };
    let (mut rows, mut inputs) = (Vec::new(), 0_u64);
    while let Some(at) = merged.next_rows(&mut rows)? {
        if at >= within.end {
            break;
        }
        if let Some(overlap) = overlaps.look(at, rows.iter().map(|row| &row.event), &catalogue) {
            return Err(TapeError::Overlap(Box::new(overlap)));
        }
        for row in rows.iter().filter(|_| at >= within.start) {
            writer.push(row.receipt, row.venue, &row.event)?;
        }
        inputs += 1;
        if inputs.is_multiple_of(REPORT_EVERY) && !progress(merged.rows_read(), merged.rows_total()) {
            return Ok(None);
        }
    }
    let written = writer.rows();
    writer.finish()?;
    Ok(Some(written))
}

/// The stories of all tapes as one: what was found and repaired adds up, each tape keeps its name and hash.
fn provenance(readers: &[TapeReader], importer: &str) -> Result<Provenance, TapeError> {
    let mut provenance = Provenance { importer: importer.to_owned(), ..Provenance::default() };
    let mut repairs: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut sources, mut hashes) = (Vec::new(), String::new());
    for (number, info) in readers.iter().map(TapeReader::info).enumerate() {
        let name = info.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hash = digest(&info.path)?;
        hashes += &format!("{hash}\n");
        provenance.options.insert(format!("tape.{}", number + 1), format!("{name} {hash}"));
        for repair in &info.provenance.repairs {
            *repairs.entry(&repair.rule).or_default() += repair.rows;
        }
        for (finding, count) in &info.provenance.quality {
            let sum = provenance.quality.entry(finding.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        let warnings = info.provenance.warnings.iter().map(|warning| format!("{name}: {warning}"));
        provenance.warnings.extend(warnings);
        sources.push(name);
    }
    provenance.source = sources.join(", ");
    provenance.source_blake3 = blake3::hash(hashes.as_bytes()).to_hex().to_string();
    provenance.repairs =
        repairs.into_iter().map(|(rule, rows)| AppliedRepair { rule: rule.to_owned(), rows }).collect();
    Ok(provenance)
}

//! What else the walk counts, for `run.json`.

use crate::records::Tables;
use market::Catalogue;
use tape::Kind;
use units::{Price, Timestamp};

/// What the tapes and the tables give of what `run.json` counts.
#[derive(Default)]
pub(in crate::audit) struct Counted {
    /// What the tapes say of themselves.
    pub(in crate::audit) catalogue: Catalogue,
    /// Rows of each tape, in order.
    pub(in crate::audit) rows: Vec<u64>,
    /// Rows of bars in all tapes.
    pub(in crate::audit) rows_of_bars: u64,
    /// The first and the last bar; without bars, mark or quote.
    pub(in crate::audit) span: Option<(Timestamp, Timestamp)>,
    /// Holes between bars: the instrument, the close before and the open after.
    pub(in crate::audit) gaps: Vec<(String, Timestamp, Timestamp)>,
    /// Inputs of the tapes behind the last plan or fill; whether that was at the time of one.
    pub(in crate::audit) inputs_behind: u64,
    pub(in crate::audit) is_last_on_tape: bool,
    /// Bars of which the tables do not tell whether the order of the extremes could matter: something was liquidated, trades came too, or
    /// payments may have come between what the path did and the orders that could matter.
    pub(in crate::audit) perhaps_ambiguous: u64,
    /// Orders that a bar crossed while they rested, and that were still there when it was told.
    pub(in crate::audit) left: u64,
    /// What each instrument of the tapes was marked at in the end.
    pub(in crate::audit) marks: Vec<Option<Price>>,
}

/// When the last plan or fill was.
pub(in crate::audit) fn last_told(tables: &Tables) -> Timestamp {
    let last = [tables.plans.last().map(|row| row.time), tables.fills.last().map(|row| row.time)];
    last.into_iter().flatten().max().unwrap_or(Timestamp::MIN)
}

impl Counted {
    /// What tapes say of themselves.
    pub(super) fn of(merged: &tape::Merged) -> Self {
        let of = |kinds: &[Kind]| {
            let spans = || merged.infos().flat_map(|info| kinds.iter().filter_map(|kind| info.span(*kind)));
            Some((spans().map(|span| span.first).min()?, spans().map(|span| span.last).max()?))
        };
        let bars = |info: &tape::TapeInfo| info.span(Kind::Bar).map_or(0, |span| span.rows);
        Self {
            catalogue: merged.catalogue().clone(),
            rows: merged.infos().map(|info| info.rows).collect(),
            rows_of_bars: merged.infos().map(bars).sum(),
            span: of(&[Kind::Bar]).or_else(|| of(&[Kind::Mark, Kind::Quote])),
            ..Self::default()
        }
    }
}

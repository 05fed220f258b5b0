//! Recorded formats to tape, with a quality report

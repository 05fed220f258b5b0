//! Tapes through the driver, twins, run folders and reports

pub mod metrics;

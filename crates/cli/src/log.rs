//! What the program does, for who watches over it: events of `tracing`, to stderr and nowhere else.

use crate::settings::{LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;

/// Begins to log.
pub(crate) fn install(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Off => return,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}

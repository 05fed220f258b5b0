//! How far long work has come, on stderr: a bar where a person watches, else a line now and then.

use crate::terminal::{Terminal, Watched};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Work that is done sooner shows nothing.
const QUIET_FIRST: Duration = Duration::from_millis(300);
/// Between two lines where no bar is drawn.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// One piece of long work.
pub(crate) struct Meter<'a> {
    terminal: &'a Terminal,
    label: &'static str,
    unit: &'static str,
    started: Instant,
    line_due: Instant,
    bar: Option<ProgressBar>,
}

impl<'a> Meter<'a> {
    /// `label` names the work, `unit` what is counted, such as `ev` or `rows`.
    pub(crate) fn new(terminal: &'a Terminal, label: &'static str, unit: &'static str) -> Self {
        let started = Instant::now();
        Self { terminal, label, unit, started, line_due: started + LINE_EVERY, bar: None }
    }

    /// Work whose pieces are too few for a speed: it says how much time is left instead.
    pub(crate) fn counting(terminal: &'a Terminal, label: &'static str) -> Self {
        Self::new(terminal, label, "")
    }

    /// How much of the whole is done, from 0 to 1, and what that is in words.
    pub(crate) fn share(&mut self, done: f64, words: impl FnOnce() -> String) {
        let spent = self.started.elapsed();
        let left = if done > 0.02 { left(spent.mul_f64((1.0 - done) / done)) } else { String::new() };
        self.show((done * 1000.0) as u64, 1000, |_| format!("{}{left}", words()));
    }

    /// `done` of `total`, and where that is (a date, a file).
    pub(crate) fn at(&mut self, done: u64, total: u64, place: impl FnOnce() -> String) {
        let unit = self.unit;
        self.show(done, total, |spent| format!("{}   {}", speed(done, spent, unit), place()));
    }

    fn show(&mut self, done: u64, total: u64, message: impl FnOnce(Duration) -> String) {
        let now = Instant::now();
        let spent = now.duration_since(self.started);
        match self.terminal.watched() {
            Watched::Bar if spent >= QUIET_FIRST => {
                let message = message(spent);
                let bar = self.bar.get_or_insert_with(|| bar(self.label));
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(message);
            }
            Watched::Lines if now >= self.line_due => {
                self.line_due = now + LINE_EVERY;
                let percent = (done * 100).checked_div(total).unwrap_or(0);
                self.terminal.note(format_args!("  {:<9} {percent:>3} %   {}", self.label, message(spent)));
            }
            _ => {}
        }
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("  {prefix:<9} {bar:32} {percent:>3} %   {msg}") {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_prefix(label);
    bar
}

fn left(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    if seconds < 60 { format!(", {seconds} s left") } else { format!(", {} min {} s left", seconds / 60, seconds % 60) }
}

fn speed(done: u64, spent: Duration, unit: &str) -> String {
    let per_second = done as f64 / spent.as_secs_f64().max(1e-3);
    if per_second >= 1e6 {
        format!("{:.1} M {unit}/s", per_second / 1e6)
    } else {
        format!("{:.0} k {unit}/s", per_second / 1e3)
    }
}

//! Ctrl-C. Long work looks at a flag and stops cleanly; anything else ends at once, as it has nothing to clean up: files are
//! written whole or not at all.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static COOPERATING: AtomicUsize = AtomicUsize::new(0);
/// What a shell reports of a process that was interrupted.
const EXIT_CODE: i32 = 130;

/// Takes over SIGINT, SIGTERM and SIGHUP (Ctrl-C and Ctrl-Break on Windows).
pub(crate) fn install() {
    // Refused where a handler is already there: then the system's own, which ends the process, is as good.
    let _ = ctrlc::set_handler(|| {
        let again = REQUESTED.swap(true, Ordering::SeqCst);
        if again || COOPERATING.load(Ordering::SeqCst) == 0 {
            let _ = writeln!(std::io::stderr(), "interrupted");
            std::process::exit(EXIT_CODE);
        }
    });
}

/// While one lives, the first Ctrl-C only sets the flag.
#[derive(Debug)]
pub(crate) struct Cooperation(());

impl Cooperation {
    pub(crate) fn begin() -> Self {
        COOPERATING.fetch_add(1, Ordering::SeqCst);
        Self(())
    }

    /// Whether to stop.
    #[expect(clippy::unused_self, reason = "only who cooperates may ask")]
    pub(crate) fn is_over(&self) -> bool {
        REQUESTED.load(Ordering::SeqCst)
    }
}

impl Drop for Cooperation {
    fn drop(&mut self) {
        COOPERATING.fetch_sub(1, Ordering::SeqCst);
    }
}

//! `trimtab audit`.

use super::{Outcome, backtest};
use crate::args::Audit;
use crate::failure::Failure;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render::audit;
use crate::terminal::Terminal;

pub(super) fn run(args: &Audit, terminal: &Terminal) -> Result<Outcome, Failure> {
    let folder = backtest::run_folder(&args.run);
    backtest::exists(&folder)?;
    let cooperation = Cooperation::begin();
    let audited = {
        let mut meter = Meter::new(terminal, "auditing", "rows");
        ::backtest::audit::audit(&folder, &mut |progress| backtest::step(&mut meter, progress, &cooperation))
    };
    let audited = audited.map_err(backtest::failure)?;
    audit::show(&audited, &args.run, terminal);
    Ok(if audited.is_clean() { Outcome::Done } else { Outcome::Negative })
}

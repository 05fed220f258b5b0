//! A proposal against its tapes: what the policy did, and how many futures of its days break the drawdown.

use super::Proposal;
use super::text::plain;
use crate::metrics::{Path as Worth, time_weighted};
use crate::parallel::Share;
use crate::ruin::RuinRequest;
use crate::surface::as_text;
use crate::{Error, PolicyFile, Progress, Request, Run};
use policy::objectives::Objectives;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::{Duration, Timestamp};

/// Futures drawn.
pub const PATHS: u64 = 10_000;

/// What tapes say of a proposal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// The first row of the run.
    #[serde(serialize_with = "as_text")]
    pub first: Timestamp,
    /// The last one.
    #[serde(serialize_with = "as_text")]
    pub last: Timestamp,
    /// The worst drawdown of the policy as it is.
    pub worst: f64,
    /// The worst one without limits on drawdown and losses.
    pub worst_unlimited: f64,
    /// What is asked: this drawdown …
    pub drawdown: f64,
    /// … with at most this probability …
    pub asked: f64,
    /// … within so many days.
    pub horizon_days: f64,
    /// What futures say; none with the reason.
    pub futures: Option<Futures>,
    /// Why they say nothing.
    pub absent: Option<String>,
}

/// What futures say that are drawn from the days of the policy without limits on drawdown and losses.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Futures {
    /// How many.
    pub paths: u64,
    /// The share that breaks the drawdown.
    pub broke: f64,
    /// Its standard error, of the drawing alone.
    pub error: f64,
    /// The share were the mean lower by its standard error.
    pub lowered: f64,
    /// The mean length of a block, in days.
    pub block: f64,
    /// The largest multiple of the policy's size at which the share is no more than asked for.
    pub bearable: f64,
}

impl Proof {
    /// Whether the policy broke the drawdown in the run itself, or more futures break it than asked for, beyond chance of drawing.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.worst >= self.drawdown || self.futures.as_ref().is_some_and(|futures| self.is_over(futures))
    }

    fn is_over(&self, futures: &Futures) -> bool {
        futures.broke - 2.0 * futures.error > self.asked
    }

    /// What it says.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let percent = |share: f64| plain(share * 100.0, 1);
        let verdict = |is_broken: bool| if is_broken { "BROKEN" } else { "kept" };
        let mut said = vec![format!(
            "{}: from {} to {} the worst drawdown is {} %, without limits on drawdown and losses {} %; {} % is borne",
            verdict(self.worst >= self.drawdown),
            self.first.date(),
            self.last.date(),
            percent(self.worst),
            percent(self.worst_unlimited),
            percent(self.drawdown)
        )];
        match &self.futures {
            Some(futures) => {
                let Futures { paths, broke, error, lowered, block, bearable } = futures;
                said.push(format!(
                    "{}: {} % ± {} of {paths} futures of {} days break it, asked is at most {} %; {} % were the mean lower by its standard \
                     error. Drawn from the run's days without those limits, in blocks of {}",
                    verdict(self.is_over(futures)),
                    percent(*broke),
                    plain(error * 100.0, 2),
                    plain(self.horizon_days, 1),
                    percent(self.asked),
                    percent(*lowered),
                    plain(*block, 0)
                ));
                let remedy = if *bearable < 1.0 { ": lower `target` by that" } else { "" };
                said.push(format!("futures bear {} x the policy's size{remedy}", plain(*bearable, 2)));
            }
            None => said.push(format!("no futures: {}", self.absent.as_deref().unwrap_or("none were drawn"))),
        }
        said
    }
}

/// Runs a proposal over tapes, as it is and without its limits on drawdown and losses, and draws futures from the latter's days: that is
/// what the target promises, and what a strategy that is made flat by a limit no longer shows.
///
/// # Errors
///
/// A run that cannot be, a stop.
pub fn prove(
    wanted: &Objectives,
    proposal: &Proposal,
    tapes: &[PathBuf],
    (program, threads): (&str, usize),
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    drawing: &mut dyn FnMut(Share) -> ControlFlow<()>,
) -> Result<Proof, Error> {
    let text = proposal.to_toml();
    let policy = crate::run::checked(&text)?;
    let mut without = policy;
    without.caps.drawdown.clear();
    (without.caps.daily_loss, without.caps.weekly_loss) = (None, None);
    let mut run = |text: String| {
        let policies = vec![PolicyFile::new(format!("{}.toml", proposal.name), text)];
        let request = Request { policies, tapes: tapes.to_vec(), program: program.to_owned(), seed: None };
        crate::run(&request, progress)
    };
    let limited = run(text)?;
    let unlimited = run(policy::to_toml(&without))?;
    let request = RuinRequest {
        levels: vec![wanted.worst_drawdown],
        horizon: wanted.horizon,
        step: Duration::DAY,
        paths: PATHS,
        seed: 1,
        block: None,
        floor: None,
        multiple: None,
        threads,
    };
    let futures = unlimited.ruin(&request, drawing).and_then(|view| {
        let chance =
            view.drawdowns.first().map_or((0.0, 0.0, 0.0), |chance| (chance.drawn, chance.error, chance.lowered));
        let bearable = unlimited.bearable(&request, wanted.probability)?;
        Ok(Futures {
            paths: view.paths,
            broke: chance.0,
            error: chance.1,
            lowered: chance.2,
            block: view.block,
            bearable,
        })
    });
    let (futures, absent) = match futures {
        Ok(futures) => (Some(futures), None),
        Err(Error::Ruin(error)) => (None, Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let rows = &limited.tables.equity;
    Ok(Proof {
        first: rows.first().map_or(Timestamp::MIN, |row| row.time),
        last: rows.last().map_or(Timestamp::MIN, |row| row.time),
        worst: worst(&limited),
        worst_unlimited: worst(&unlimited),
        drawdown: wanted.worst_drawdown,
        asked: wanted.probability,
        horizon_days: wanted.horizon.days(),
        futures,
        absent,
    })
}

fn worst(run: &Run) -> f64 {
    let rows = &run.tables.equity;
    let times: Vec<Timestamp> = rows.iter().map(|row| row.time).collect();
    let equity: Vec<f64> = rows.iter().map(|row| row.equity.approximate()).collect();
    let paid_in: Vec<f64> = rows.iter().map(|row| row.paid_in.approximate()).collect();
    let worth = time_weighted(&equity, &paid_in);
    Worth { times: &times, equity: &worth }.worst_drawdown().map_or(0.0, |worst| worst.depth.abs())
}

//! The one loop: append → handle → drain. It serves backtest, paper, live, replay and the laboratory alike.

use engine::{Engine, Output};
use market::{Command, Input};
use units::Timestamp;

/// Where inputs come from and commands go: recorded tapes with a simulated exchange, or real venues.
pub trait World {
    /// Why the next input cannot be had.
    type Error;

    /// The next delivery, or `None` at the end. `wakeup` is when the engine wants to be woken at the latest.
    fn next(&mut self, wakeup: Option<Timestamp>) -> Result<Option<Input<'_>>, Self::Error>;

    /// Carries out a command. Called only after the input that caused it was journalled.
    fn send(&mut self, command: Command);
}

/// What is kept of a run: a durable log when live, a hash chain and the run's tables in a backtest.
pub trait Journal {
    /// Why it cannot be kept.
    type Error;

    /// Makes an input durable, before the engine believes it.
    fn append(&mut self, input: &Input<'_>) -> Result<(), Self::Error>;

    /// Keeps what followed.
    fn output(&mut self, output: &Output) -> Result<(), Self::Error>;

    /// The input is dealt with: the engine's state may be looked at.
    fn settled(&mut self, input_at: Timestamp, engine: &Engine) -> Result<(), Self::Error>;
}

/// Why a run ended early.
#[derive(Debug)]
pub enum DriveError<W, J> {
    /// The world gave no next input.
    World(W),
    /// The journal could not be written: nothing more is believed or sent.
    Journal(J),
}

/// Runs the engine to the world's end: append → handle → drain.
pub fn run<W: World, J: Journal>(
    engine: &mut Engine,
    world: &mut W,
    journal: &mut J,
) -> Result<(), DriveError<W::Error, J::Error>> {
    while let Some(input) = world.next(engine.next_wakeup()).map_err(DriveError::World)? {
        let at = input.at;
        journal.append(&input).map_err(DriveError::Journal)?;
        engine.handle(&input);
        loop {
            // Looked at where it is: a plan is large.
            let output = engine.poll_output();
            let Some(output) = &output else { break };
            journal.output(output).map_err(DriveError::Journal)?;
            if let Output::Command { command, .. } = output {
                world.send(*command);
            }
        }
        journal.settled(at, engine).map_err(DriveError::Journal)?;
    }
    Ok(())
}

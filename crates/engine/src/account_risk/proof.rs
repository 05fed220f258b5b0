//! That a fact of risk is still inside the room that a strategy's region leaves it, without computing it again.
//!
//! Between two quotes and trades only prices of coins and marks of futures and perpetuals move; what an option is marked at changes with
//! its quotes alone, which end every proof. Over a box of prices each profit and each margin is least and most at an end of its range.
//! So a fact that is made of them lies between what their ends give: no sampling, no expansion. Liquidation is proved over a corridor
//! of prices in which the account lives. The profit of a stress lies over a box where [`risk::scenario::Bound`] proves it.
//!
//! A box that was left is drawn anew around the prices of now. Only where that fails is the fact computed.

mod corridor;
mod price_box;

use super::AccountRisk;
use super::tail::TailBox;
use crate::engine::Engine;
use corridor::Corridor;
use policy::RiskFact;
use price_box::PriceBox;

/// Between what a fact has to stay, both ends left out.
pub(super) type Within = (f64, f64);

/// A proof and what it is of.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    Prices(PriceBox),
    Corridor(Box<Corridor>),
    Tail(Box<TailBox>),
}

impl Proof {
    /// Whether it still stands.
    #[inline]
    pub(super) fn holds(&self, risk: &AccountRisk, engine: &Engine) -> bool {
        match self {
            Self::Prices(prices) => prices.holds(risk, engine),
            Self::Corridor(corridor) => corridor.holds(risk, engine),
            Self::Tail(tail) => tail.holds(risk, engine),
        }
    }

    /// For a fact that has to stay inside. `before`: one that no longer stands, of the same. `None`: no box is wide enough, or nothing is
    /// known of the fact.
    pub(super) fn of(
        risk: &mut AccountRisk,
        engine: &Engine,
        scope: usize,
        fact: &RiskFact,
        within: Within,
        before: Option<Self>,
    ) -> Option<Self> {
        match fact {
            RiskFact::Tail(fact) => {
                let before = match before {
                    Some(Self::Tail(tail)) => Some(tail),
                    _ => None,
                };
                TailBox::of(risk, engine, scope, *fact, within, before).map(Self::Tail)
            }
            RiskFact::Distance | RiskFact::Probability { .. } => {
                let before = match before {
                    Some(Self::Corridor(corridor)) => Some(corridor),
                    _ => None,
                };
                Corridor::of(risk, engine, scope, fact, within, before).map(Self::Corridor)
            }
            _ => PriceBox::of(risk, engine, fact, within).map(Self::Prices),
        }
    }
}

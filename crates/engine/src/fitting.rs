//! Increases that would breach a limit on a fact (`[[limits]]`), seen before they go out.
//!
//! A rule sees what facts are, not what an order makes of them. So once the rules want to open or add, the account is supposed to hold
//! that already, at the price of the decision or where an add is expected to fill, facts of risk are computed for it, and limits are asked
//! again. What they do not bear is cut to what they do, and the rules decide once more with that. Orders of the account's other strategies
//! count as filled where that makes their positions larger: theirs go out at the same instant. Of structures legs are supposed to be
//! held, at what they are worth; an increase of one that is on its way was looked at when it was sent. Nothing of the supposition stays.

use crate::desk::Desk;
use crate::engine::Engine;
use crate::pipeline::tell_wanted;
use crate::scope::Scope;
use market::{Account, Fill, Liquidity};
use policy::facts::{self, Fact, Room};
use policy::{Add, Limited, Target};
use units::{AccountId, Cash, InstrumentId, Price, Qty, Ratio, Round, Side};

/// How often a quantity that limits bear is looked for.
const TRIES: usize = 24;

/// What is put back.
struct Kept {
    account: Account,
    /// The same with what other strategies have ordered more of.
    beside: Account,
    position: Qty,
    price: Price,
    equity: Option<Cash>,
    /// Desks as they are: the strategy's own, and those that have ordered more.
    desks: Vec<(usize, Desk)>,
    told: Vec<(Fact<Ratio>, Option<Ratio>)>,
}

/// Whether a strategy's rules hold a limit that increases have to fit.
pub(crate) fn has_limits(scope: &Scope) -> bool {
    scope.limited
}

impl Engine {
    /// Cuts what the rules have just decided to what limits bear. The strategy has limits.
    #[cold]
    #[inline(never)]
    pub(crate) fn fit_limits(&mut self, index: usize, target: Target) -> Target {
        if let Some(risk) = &mut self.risk {
            risk.foreseen.1.clear();
        }
        let scope = &self.scopes[index];
        let desk = scope.desk.map(|desk| &self.structures.desks[desk as usize]);
        // What replaces legs that are held, or closes, is no increase.
        if desk.is_some_and(|desk| desk.rolling || desk.closing.is_some()) {
            return target;
        }
        let held = desk.map_or(scope.position, Desk::goal);
        let is_begun = held != scope.position;
        let from = if target.qty.signum() * held.signum() > 0 { held } else { Qty::ZERO };
        let grows = !target.qty.is_zero() && target.qty.abs() > from.abs();
        // One that rests was looked at when it was sent; what it would make of the present is told by what is held.
        let is_sent = |add: &Add| !add.qty.is_zero() && !scope.working.holds_add(add);
        let add = scope.because.add().filter(|add| !target.qty.is_zero() && is_sent(add));
        let Some(price) = scope.facts.get(facts::PRICE).filter(|_| grows || add.is_some()) else { return target };
        let kept = self.keep(index, price);
        let room = match grows {
            // Legs that are traded are not traded back for a little more or less of them.
            true if is_begun => self.beyond(index, &kept, target.qty, price).map(|there| {
                let limit = there.limit;
                Room { qty: from, limit, is_known: true }
            }),
            true => self.room(index, &kept, (from, target.qty), price),
            false => None,
        };
        // An add comes on top of the worst that may be held by then.
        let base = room.map_or(target.qty, |room| room.qty);
        let base = if grows { base } else { held };
        let add_room = add.and_then(|add| {
            let room = self.room(index, &kept, (base, base + add.qty), add.at)?;
            Some(Room { qty: room.qty - base, ..room })
        });
        self.put_back(index, kept);
        if room.is_none() && add_room.is_none() {
            return target;
        }
        let scope = &mut self.scopes[index];
        scope.facts.put(facts::ROOM, room);
        scope.facts.put(facts::ROOM_ADD, add_room);
        scope.because.restart();
        let fitted = scope.evaluate();
        tell_wanted(scope, &mut self.structures, fitted);
        scope.facts.put(facts::ROOM, None);
        scope.facts.put(facts::ROOM_ADD, None);
        scope.region.forget();
        fitted
    }

    /// The most on the way from one quantity to another that limits bear at a price. `None`: all of it.
    fn room(&mut self, index: usize, kept: &Kept, (from, to): (Qty, Qty), price: Price) -> Option<Room> {
        let there = self.beyond(index, kept, to, price)?;
        let Some(reached) = there.value else {
            self.foresee_unknown(index);
            return Some(Room { qty: from, limit: there.limit, is_known: false });
        };
        let lot = self.scopes[index].facts.get(facts::LOT).unwrap_or(Qty::from_raw(1));
        let (way, side) = (to - from, if to < from { -1 } else { 1 });
        let of = |part: Qty| if side < 0 { from - part } else { from + part };
        let (mut bears, mut breaks) = (Qty::ZERO, way.abs());
        // A fact that follows in proportion is there at the first try, and a lot further is too far.
        let start = self.measure(index, kept, from, price, there.limit);
        let first = start.and_then(|start| {
            let value = start.value?;
            let share = (there.level - value) / (reached - value);
            share.is_finite().then(|| way.abs().scaled(share.clamp(0.0, 1.0), Round::TowardZero))?
        });
        let mut guess = first;
        for _ in 0..TRIES {
            let middle = || Qty::from_raw(bears.raw() + (breaks - bears).raw() / 2);
            let tried = guess.take().unwrap_or_else(middle).to_lot(lot, Round::TowardZero);
            if tried <= bears || tried >= breaks {
                let next = (bears + lot).to_lot(lot, Round::TowardZero);
                if next >= breaks {
                    break;
                }
                guess = Some(next);
                continue;
            }
            if self.beyond(index, kept, of(tried), price).is_none() {
                (bears, guess) = (tried, Some(tried + lot));
            } else {
                breaks = tried;
            }
        }
        Some(Room { qty: of(bears), limit: there.limit, is_known: true })
    }

    /// The first limit that does not bear a quantity at a price.
    fn beyond(&mut self, index: usize, kept: &Kept, qty: Qty, price: Price) -> Option<Limited> {
        self.suppose_held(index, kept, qty, price);
        let scope = &self.scopes[index];
        scope.rules.iter().filter_map(|rule| rule.limited(&scope.facts)).find(Limited::is_beyond)
    }

    /// What one limit measures there.
    fn measure(&mut self, index: usize, kept: &Kept, qty: Qty, price: Price, limit: u32) -> Option<Limited> {
        self.suppose_held(index, kept, qty, price);
        let scope = &self.scopes[index];
        scope.rules.iter().filter_map(|rule| rule.limited(&scope.facts)).find(|of| of.limit == limit)
    }

    fn keep(&mut self, index: usize, price: Price) -> Kept {
        let scope = &self.scopes[index];
        let read = self.risk.as_ref().map_or(Vec::new(), |risk| risk.series_of(index));
        let told = read.into_iter().map(|series| {
            let fact = facts::series(series);
            (fact, scope.facts.get(fact))
        });
        let (told, equity, position) = (told.collect(), scope.facts.get(facts::EQUITY), scope.position);
        let own = scope.desk.map(|desk| desk as usize);
        let mut desks: Vec<(usize, Desk)> = own.map(|at| (at, self.structures.desks[at].clone())).into_iter().collect();
        let account = self.books[scope.account.index()].account.clone();
        let beside = self.beside_ordered(index, account.clone(), &mut desks);
        Kept { account, beside, position, price, equity, desks, told }
    }

    /// An account in which the orders of all other strategies are filled at the mark, those that make a position larger. Desks hold what is
    /// ordered of them, and are kept.
    fn beside_ordered(&mut self, index: usize, mut account: Account, desks: &mut Vec<(usize, Desk)>) -> Account {
        let owner = self.scopes[index].account;
        for (other, theirs) in self.scopes.iter().enumerate() {
            if other == index || theirs.account != owner {
                continue;
            }
            if let Some(at) = theirs.desk.map(|desk| desk as usize) {
                let desk = &self.structures.desks[at];
                let worst = desk.position + desk.under_way();
                if !desk.rolling && desk.closing.is_none() && worst.abs() > desk.position.abs() {
                    desks.push((at, desk.clone()));
                    let (desks, chains) = (&mut self.structures.desks, &self.structures.chains);
                    desks[at].suppose(worst, chains, |leg, change| fill_at_mark(&mut account, (owner, leg), change));
                }
                continue;
            }
            let (bought, sold) = theirs.working.pending();
            let (up, down) = (theirs.position + bought, theirs.position - sold);
            let worst = if down.abs() > up.abs() { down } else { up };
            let is_priced = !account.mark(theirs.instrument.index()).is_zero();
            if worst.abs() > theirs.position.abs() && is_priced {
                fill_at_mark(&mut account, (owner, theirs.instrument), worst - theirs.position);
            }
        }
        account
    }

    /// The account holds this much more or less, bought or sold at the price, at which all of it is valued; of a structure the legs, at
    /// what they are worth.
    fn suppose_held(&mut self, index: usize, kept: &Kept, qty: Qty, price: Price) {
        let scope = &mut self.scopes[index];
        let (instrument, owner) = (scope.instrument, scope.account);
        let book = &mut self.books[owner.index()];
        book.account = kept.beside.clone();
        match (scope.desk, kept.desks.first()) {
            (Some(_), Some((at, desk))) => {
                let (desks, chains) = (&mut self.structures.desks, &self.structures.chains);
                desks[*at] = desk.clone();
                desks[*at].suppose(qty, chains, |leg, change| fill_at_mark(&mut book.account, (owner, leg), change));
            }
            _ => {
                // Where marks are told apart from prices they move along; where a fill told the price first, it is the mark.
                let mark =
                    if scope.ahead { price } else { book.account.mark(instrument.index()) + (price - kept.price) };
                book.account.set_mark(instrument.index(), mark);
                if qty != kept.position {
                    fill_at_mark(&mut book.account, (owner, instrument), qty - kept.position);
                }
            }
        }
        book.suppose();
        scope.position = qty;
        scope.facts.set(facts::POSITION, qty);
        scope.facts.set(facts::PRICE, price);
        scope.facts.set(facts::EQUITY, book.account.equity_for(instrument.index()));
        self.tell_supposed(index);
    }

    fn put_back(&mut self, index: usize, kept: Kept) {
        let scope = &mut self.scopes[index];
        let book = &mut self.books[scope.account.index()];
        book.account = kept.account;
        book.suppose();
        for (at, desk) in kept.desks {
            self.structures.desks[at] = desk;
        }
        scope.position = kept.position;
        scope.facts.set(facts::POSITION, kept.position);
        scope.facts.set(facts::PRICE, kept.price);
        scope.facts.put(facts::EQUITY, kept.equity);
        for (fact, value) in kept.told {
            scope.facts.put(fact, value);
        }
        if let Some(risk) = &mut self.risk {
            risk.look_again();
        }
    }
}

fn fill_at_mark(account: &mut Account, of: (AccountId, InstrumentId), change: Qty) {
    let mark = account.mark(of.1.index());
    account.fill(&supposed(of, change, mark));
}

/// A fill that is supposed.
pub(crate) fn supposed((account, instrument): (AccountId, InstrumentId), change: Qty, price: Price) -> Fill {
    let side = if change.signum() > 0 { Side::Buy } else { Side::Sell };
    let (qty, reference) = (change.abs(), price);
    let (fee, liquidity, forced, execution) = (Cash::ZERO, Liquidity::Internal, None, 0);
    Fill { account, instrument, side, qty, price, reference, fee, liquidity, forced, execution }
}

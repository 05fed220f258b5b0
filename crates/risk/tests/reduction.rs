//! Reductions against exhaustive search, a solver of another kind, and what must hold of every one.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use risk::reduction::{Cost, Figure, Limit, Outcome, Plan, Position, ReductionError, Sample, Solver};
use risk::tail::{Tail, TailError};

/// A book of a few factors: some positions hedge others, some are bent.
struct Book {
    positions: Vec<Position>,
    profits: Vec<f64>,
    rest: Vec<f64>,
    scenarios: usize,
}

impl Book {
    fn random(random: &mut Random, count: usize, scenarios: usize, lots: u64, impact: f64) -> Self {
        let factors: Vec<[f64; 3]> = (0..scenarios).map(|_| [0; 3].map(|_| random.normal())).collect();
        let mut positions = Vec::new();
        let mut profits = Vec::new();
        for _ in 0..count {
            let loads = [0; 3].map(|_| random.between(-0.6, 1.0));
            let size = random.between(0.2, 3.0);
            let is_bent = random.below(4) == 0;
            for factor in &factors {
                let own = 0.4 * random.normal();
                let sum = loads.iter().zip(factor).map(|(load, factor)| load * factor).sum::<f64>() + own;
                profits.push(size * if is_bent { 0.7 - sum.abs() } else { sum });
            }
            let held = (1 + random.below(lots)) as f64 * 0.5 + if random.below(3) == 0 { 0.2 } else { 0.0 };
            let cost = Cost {
                half_spread: size * random.between(0.002, 0.02),
                fee: 0.001,
                hedge: if random.below(4) == 0 { 0.003 } else { 0.0 },
                impact: impact * size * random.between(0.0, 0.01),
            };
            positions.push(Position { held, lot: 0.5, fewest: if random.below(3) == 0 { 1.0 } else { 0.0 }, cost });
        }
        Self { positions, profits, rest: Vec::new(), scenarios }
    }

    fn sample(&self) -> Sample<'_> {
        Sample { profits: &self.profits, rest: &self.rest, scenarios: self.scenarios }
    }

    /// Profits with these amounts given up, by another sum than the library's.
    fn after(&self, amounts: &[f64]) -> Vec<f64> {
        (0..self.scenarios)
            .map(|scenario| {
                let kept = self.positions.iter().zip(amounts).enumerate().map(|(at, (one, amount))| {
                    let share = if one.held > 0.0 { (one.held - amount) / one.held } else { 0.0 };
                    share * self.profits[at * self.scenarios + scenario]
                });
                self.rest.get(scenario).unwrap_or(&0.0) + kept.sum::<f64>()
            })
            .collect()
    }

    fn shortfall(&self, amounts: &[f64], confidence: f64) -> f64 {
        Tail::of(&self.after(amounts), confidence).unwrap().expected_shortfall()
    }

    fn nothing(&self) -> Vec<f64> {
        vec![0.0; self.positions.len()]
    }

    fn flat(&self) -> Vec<f64> {
        self.positions.iter().map(|one| one.held).collect()
    }
}

fn amounts(plan: &Plan) -> Vec<f64> {
    plan.cuts.iter().map(|cut| cut.amount).collect()
}

fn shortfall_limit(limit: f64, restore: f64) -> Limit<'static> {
    Limit { figure: Figure::ExpectedShortfall { sample: 0, confidence: 0.9 }, limit, restore }
}

/// What may be given up of a position, by the words of the documentation.
fn choices(one: &Position) -> Vec<f64> {
    let lots = (one.held / one.lot) as u64;
    let mut all = vec![0.0];
    for count in 1..=lots {
        let amount = count as f64 * one.lot;
        if amount >= one.fewest && amount < one.held && one.held - amount >= one.fewest {
            all.push(amount);
        }
    }
    all.push(one.held);
    all
}

/// Every combination of lots of small books: none that keeps the limits costs less than the bound, the plan costs no more than the gap
/// over the cheapest, and mostly is the cheapest.
#[test]
fn no_combination_of_lots_is_cheaper_than_told() {
    let mut random = Random(11);
    let mut solver = Solver::new();
    let (mut exact, mut books, mut excess) = (0, 0, 0.0);
    for round in 0..150 {
        let count = 2 + random.below(4) as usize;
        let impact = if round % 2 == 0 { 0.0 } else { 1.0 };
        let book = Book::random(&mut random, count, 60, 6, impact);
        let before = book.shortfall(&book.nothing(), 0.9);
        let restore = before * random.between(0.3, 0.9);
        let weights: Vec<f64> = book.positions.iter().map(|_| random.between(0.0, 2.0)).collect();
        let gross = |amounts: &[f64]| -> f64 {
            book.positions.iter().zip(amounts).zip(&weights).map(|((one, amount), w)| w * (one.held - amount)).sum()
        };
        let start = gross(&book.nothing());
        let straight = Limit {
            figure: Figure::Linear { weights: &weights, rest: 0.0 },
            limit: start * 0.95,
            restore: start * random.between(0.5, 0.95),
        };
        let limits = [shortfall_limit(before * 0.95, restore), straight];
        let limits = if round % 3 == 0 { &limits[..] } else { &limits[..1] };
        let plan = solver.solve(&book.positions, &[book.sample()], limits).unwrap();
        let keeps = |amounts: &[f64]| {
            book.shortfall(amounts, 0.9) <= restore * (1.0 + 1e-9)
                && (limits.len() == 1 || gross(amounts) <= straight.restore * (1.0 + 1e-9))
        };
        let cost = |amounts: &[f64]| -> f64 {
            book.positions.iter().zip(amounts).map(|(one, amount)| one.cost.of(*amount)).sum()
        };
        let found = amounts(plan);
        assert!(plan.outcome == Outcome::Restored && keeps(&found), "{round}: {plan:?}");
        assert!((cost(&found) - plan.cost).abs() < 1e-12);
        let lists: Vec<Vec<f64>> = book.positions.iter().map(choices).collect();
        for (amount, list) in found.iter().zip(&lists) {
            assert!(list.iter().any(|choice| (choice - amount).abs() < 1e-12), "{round}: {amount} of {list:?}");
        }
        let mut cheapest = f64::INFINITY;
        let mut at = vec![0; count];
        loop {
            let tried: Vec<f64> = at.iter().zip(&lists).map(|(at, list): (&usize, _)| list[*at]).collect();
            let own = cost(&tried);
            if own < cheapest && keeps(&tried) {
                cheapest = own;
            }
            let Some(next) = (0..count).find(|position| at[*position] + 1 < lists[*position].len()) else { break };
            at[next] += 1;
            at[..next].fill(0);
        }
        assert!(cheapest >= plan.bound - 1e-9 * cheapest, "{round}: {cheapest} under {}", plan.bound);
        assert!(plan.cost >= cheapest - 1e-9 * cheapest && plan.cost - cheapest <= plan.gap() + 1e-9 * cheapest);
        exact += u32::from(plan.cost <= cheapest * (1.0 + 1e-9));
        excess += plan.cost / cheapest - 1.0;
        books += 1;
    }
    println!("{exact} of {books} are the cheapest; {} over it on average", excess / f64::from(books));
    assert!(exact * 10 > books * 8, "{exact} of {books}");
}

/// Whatever the book: bounds and steps are kept, no risk is the higher for it, flat is reachable so the level is, and no lot is given up
/// that could be kept.
#[test]
fn what_holds_of_every_reduction() {
    let mut random = Random(13);
    let mut solver = Solver::new();
    let mut restored = 0;
    for round in 0..300 {
        let count = 1 + random.below(12) as usize;
        let lots = [3, 40, 100_000][random.below(3) as usize];
        let impact = [0.0, 1.0][random.below(2) as usize];
        let mut book = Book::random(&mut random, count, 100, lots, impact);
        if round % 4 == 0 {
            book.rest = (0..100).map(|_| 0.3 * random.normal()).collect();
        }
        if round % 5 == 0 {
            book.positions[0].held = 0.0;
            book.profits[..100].fill(0.0);
        }
        let (before, flat) = (book.shortfall(&book.nothing(), 0.9), book.shortfall(&book.flat(), 0.9));
        let limit = before * random.between(0.5, 1.1);
        let restore = limit * random.between(0.3, 1.0);
        let value_at_risk = Tail::of(&book.after(&book.nothing()), 0.8).unwrap().value_at_risk();
        let other = Limit {
            figure: Figure::ValueAtRisk { sample: 0, confidence: 0.8 },
            limit: value_at_risk.abs() * 0.9,
            restore: value_at_risk.abs() * random.between(0.5, 0.9),
        };
        let limits = [shortfall_limit(limit, restore), other];
        let limits = if round % 2 == 0 { &limits[..] } else { &limits[..1] };
        let plan = solver.solve(&book.positions, &[book.sample()], limits).unwrap().clone();
        let again = Solver::new().solve(&book.positions, &[book.sample()], limits).unwrap().clone();
        assert_eq!(plan, again, "{round}: not the same with memory of another question");
        for (cut, one) in plan.cuts.iter().zip(&book.positions) {
            assert!(cut.amount >= 0.0 && cut.amount <= one.held && (cut.amount + cut.kept - one.held).abs() < 1e-9);
            assert!(cut.amount == 0.0 || cut.amount == one.held || cut.kept >= one.fewest - 1e-9);
        }
        let found = amounts(&plan);
        let after = book.shortfall(&found, 0.9);
        let most = if before > limit { restore } else { before.max(restore) };
        let is_reachable = flat <= most
            && (limits.len() == 1 || {
                let value = Tail::of(&book.after(&book.flat()), 0.8).unwrap().value_at_risk();
                value <= plan.levels[1].target
            });
        match plan.outcome {
            Outcome::Within => assert!(before <= limit && found.iter().all(|amount| *amount == 0.0)),
            Outcome::Restored => {
                restored += 1;
                assert!(after <= most * (1.0 + 1e-9) + 1e-12, "{round}: {after} over {most}");
            }
            Outcome::Missed => {
                assert!(!is_reachable, "{round}: {plan:?}");
                assert!(before <= limit || after <= before);
            }
        }
        for level in &plan.levels {
            assert!(level.after <= level.before.max(level.target) * (1.0 + 1e-9) + 1e-12, "{round}: {level:?}");
        }
        assert!(plan.bound <= plan.cost && plan.bound >= 0.0);
        // A lot less of any one breaks a limit.
        if plan.outcome == Outcome::Restored && limits.len() == 1 {
            for at in 0..count {
                let mut less = found.clone();
                less[at] -= book.positions[at].lot;
                let list = choices(&book.positions[at]);
                if lots <= 40 && list.iter().any(|choice| (choice - less[at]).abs() < 1e-9) {
                    let kept = book.shortfall(&less, 0.9);
                    assert!(kept > most * (1.0 - 1e-9), "{round}: position {at} could keep a lot: {kept} of {most}");
                }
            }
        }
    }
    assert!(restored > 150, "{restored}");
}

/// The books of `vectors/reduction.py`.
struct Golden(u64);

impl Golden {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as f64 / 4_294_967_296.0
    }

    fn bell(&mut self) -> f64 {
        self.unit() + self.unit() + self.unit() + self.unit() - 2.0
    }

    fn book(seed: u64, count: usize, scenarios: usize, lean: f64, impact: f64) -> Book {
        let mut random = Self(seed);
        let factors: Vec<[f64; 3]> = (0..scenarios).map(|_| [0; 3].map(|_| random.bell())).collect();
        let (mut positions, mut profits) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let loads = [0; 3].map(|_| lean + (1.0 - lean) * random.unit());
            let size = 0.2 + 2.8 * random.unit();
            let is_bent = random.unit() < 0.25;
            for factor in &factors {
                let sum = loads[0] * factor[0] + loads[1] * factor[1] + loads[2] * factor[2] + 0.4 * random.bell();
                profits.push(if is_bent { size * (0.4 - sum.abs()) } else { size * sum });
            }
            let half_spread = size * (0.002 + 0.018 * random.unit());
            let cost = Cost { half_spread, impact: impact * size * 0.01 * random.unit(), ..Cost::default() };
            positions.push(Position { held: 1.0, lot: 0.05, fewest: 0.0, cost });
        }
        Book { positions, profits, rest: Vec::new(), scenarios }
    }
}

/// Without lots the cost is that of another solver, to a millionth; with them it lies between the bound and little more.
#[test]
fn costs_are_those_of_cvxpy() {
    let cases: serde_json::Value = serde_json::from_str(include_str!("../../../vectors/reduction.json")).unwrap();
    let mut solver = Solver::new();
    for case in cases.as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let book = Golden::book(
            number("seed") as u64,
            number("count") as usize,
            number("scenarios") as usize,
            number("lean"),
            number("impact"),
        );
        let (before, confidence) = (number("before"), number("confidence"));
        let found = Tail::of(&book.after(&book.nothing()), confidence).unwrap().expected_shortfall();
        assert!((found / before - 1.0).abs() < 1e-12, "{found} {before}");
        let restore = number("restore") * before;
        let weights: Vec<f64> = book.positions.iter().map(|one| one.cost.half_spread).collect();
        let gross: f64 = weights.iter().sum();
        let limits = [
            Limit { figure: Figure::ExpectedShortfall { sample: 0, confidence }, limit: restore, restore },
            Limit {
                figure: Figure::Linear { weights: &weights, rest: 0.0 },
                limit: number("gross") * gross,
                restore: number("gross") * gross,
            },
        ];
        let limits = if number("gross") > 0.0 { &limits[..] } else { &limits[..1] };
        let plan = solver.solve(&book.positions, &[book.sample()], limits).unwrap();
        let expected = number("cost");
        let off = [plan.bound, plan.without_lots].map(|cost| cost / expected - 1.0);
        println!(
            "{} positions: bound {:+.1e}, without lots {:+.1e}; gap {:.2} %; all alike {:.2} times as much; {} rounds",
            number("count"),
            off[0],
            off[1],
            100.0 * plan.gap() / plan.cost,
            plan.of_all_alike.unwrap() / plan.cost,
            plan.rounds,
        );
        assert!(off.iter().all(|off| off.abs() < 1e-6), "{case}: {off:?}");
        assert!(plan.outcome == Outcome::Restored && plan.gap() < 0.05 * plan.cost, "{case}: {plan:?}");
        let after = Tail::of(&book.after(&amounts(plan)), confidence).unwrap().expected_shortfall();
        assert!(after <= restore * (1.0 + 1e-9));
    }
}

fn plain(held: f64, half_spread: f64) -> Position {
    Position { held, lot: 0.1, fewest: 0.0, cost: Cost { half_spread, ..Cost::default() } }
}

fn noise(count: usize) -> Vec<f64> {
    let mut random = Random(19);
    (0..count).map(|_| random.normal()).collect()
}

/// Ten of a coin against five sold of it: what hedges is dear to keep and stays; of what is held, as much is sold as the net must fall.
#[test]
fn a_hedge_stays() {
    let coin = noise(200);
    let profits: Vec<f64> = coin.iter().map(|one| 10.0 * one).chain(coin.iter().map(|one| -5.0 * one)).collect();
    let sample = Sample { profits: &profits, rest: &[], scenarios: 200 };
    let net: Vec<f64> = coin.iter().map(|one| 5.0 * one).collect();
    let before = Tail::of(&net, 0.9).unwrap().expected_shortfall();
    let positions = [plain(10.0, 3.0), plain(5.0, 0.01)];
    let mut solver = Solver::new();
    let plan = solver.solve(&positions, &[sample], &[shortfall_limit(before * 0.9, before * 0.5)]).unwrap();
    assert_eq!(plan.outcome, Outcome::Restored);
    assert!((plan.cuts[0].amount - 2.5).abs() < 1e-9 && plan.cuts[1].amount == 0.0, "{plan:?}");
    assert!(plan.cuts[0].relief_before > 0.0 && plan.cuts[1].relief_before < 0.0, "{plan:?}");
    // The net falls by its shortfall a coin for each coin sold at 3.
    assert!((plan.cuts[0].relief_before - before / 5.0 / 3.0).abs() < 1e-9);
    assert!((plan.cuts[0].worth - 1.0).abs() < 1e-6 && plan.cuts[1].worth < 0.0, "{plan:?}");
    assert!((plan.levels[0].price * before / 5.0 - 3.0).abs() < 1e-6 && plan.gap() < 1e-6);
    assert_eq!(plan.leading, Some(0));
    // Without its hedge's cost the same; and to nothing at all, both must go.
    let plan = solver.solve(&positions, &[sample], &[shortfall_limit(before * 0.9, 0.0)]).unwrap();
    assert!((plan.cuts[0].amount - 5.0).abs() < 1e-9 && plan.cuts[1].amount == 0.0, "what is left is hedged: {plan:?}");
}

/// The alternative is the one that would have been next; what costs less for the same relief goes first.
#[test]
fn the_cheaper_relief_goes_first() {
    let coin = noise(200);
    let three: Vec<f64> = [2.0, 2.0, 2.0].iter().flat_map(|size| coin.iter().map(move |one| size * one)).collect();
    let sample = Sample { profits: &three, rest: &[], scenarios: 200 };
    let positions = [plain(2.0, 0.03), plain(2.0, 0.01), plain(2.0, 0.02)];
    let whole: Vec<f64> = coin.iter().map(|one| 6.0 * one).collect();
    let before = Tail::of(&whole, 0.9).unwrap().expected_shortfall();
    let mut solver = Solver::new();
    let plan = solver.solve(&positions, &[sample], &[shortfall_limit(before * 0.9, before * 0.5)]).unwrap();
    let found = amounts(plan);
    assert!(found[0] == 0.0 && found[1] == 2.0 && (found[2] - 1.0).abs() < 1e-9, "{plan:?}");
    assert_eq!((plan.cuts[0].instead, plan.cuts[1].instead, plan.cuts[2].instead), (None, Some(2), Some(0)));
    let worth = [0, 1, 2].map(|at| plan.cuts[at].worth);
    assert!((worth[0] - 2.0 / 3.0).abs() < 1e-6 && (worth[1] - 2.0).abs() < 1e-6 && (worth[2] - 1.0).abs() < 1e-6);
    assert!((plan.of_all_alike.unwrap() - 0.06).abs() < 1e-9 && (plan.cost - 0.04).abs() < 1e-9, "{plan:?}");
}

/// What cannot be sold may make the level unreachable, or reachable only with a part of its hedge kept.
#[test]
fn what_cannot_be_reached_is_come_near() {
    let rest = noise(200);
    let of_rest = Tail::of(&rest, 0.9).unwrap().expected_shortfall();
    let (more, over): (Vec<f64>, Vec<f64>) = rest.iter().map(|one| (2.0 * one, -2.0 * one)).unzip();
    let mut solver = Solver::new();
    let limit = shortfall_limit(of_rest, of_rest * 0.5);
    let sample = Sample { profits: &more, rest: &rest, scenarios: 200 };
    let plan = solver.solve(&[plain(1.0, 1.0)], &[sample], &[limit]).unwrap();
    assert_eq!((plan.outcome, plan.of_all_alike), (Outcome::Missed, None));
    assert!(plan.cuts[0].kept == 0.0 && (plan.levels[0].missed - of_rest * 0.5).abs() < 1e-9, "{plan:?}");
    // Hedged twice over: half of the hedge is too much, and selling all of it would not do.
    let sample = Sample { profits: &over, rest: &rest, scenarios: 200 };
    let before = Tail::of(&rest.iter().map(|one| -one).collect::<Vec<f64>>(), 0.9).unwrap().expected_shortfall();
    let limit = shortfall_limit(before * 0.9, before * 0.5);
    let plan = solver.solve(&[plain(1.0, 1.0)], &[sample], &[limit]).unwrap();
    assert!(plan.outcome == Outcome::Restored && (plan.cuts[0].amount - 0.3).abs() < 1e-9, "{plan:?}");
    // A second limit that nothing breaches is not broken by mending the first.
    let weights = [-1.0];
    let margin = Limit { figure: Figure::Linear { weights: &weights, rest: 1.0 }, limit: 0.2, restore: 0.1 };
    let plan = solver.solve(&[plain(1.0, 1.0)], &[sample], &[limit, margin]).unwrap();
    assert_eq!(plan.outcome, Outcome::Missed);
    assert!(plan.cuts[0].amount <= 0.1 + 1e-9 && plan.levels[1].missed == 0.0, "{plan:?}");
}

/// A figure that is given as a function is planned as well as the same one in weights, and one that is bent nearly as well as the best of
/// all combinations; so is value at risk.
#[test]
fn given_figures_and_value_at_risk_are_planned() {
    let mut random = Random(29);
    let mut solver = Solver::new();
    let mut worst = [0.0_f64; 2];
    for round in 0..60 {
        let book = Book::random(&mut random, 3, 80, 12, 0.0);
        let weights = [0; 3].map(|_| random.between(0.1, 2.0));
        let sum = |kept: &[f64]| kept.iter().zip(&weights).map(|(quantity, weight)| quantity * weight).sum::<f64>();
        let start = sum(&book.flat());
        let straight =
            Limit { figure: Figure::Linear { weights: &weights, rest: 0.0 }, limit: start * 0.9, restore: start * 0.5 };
        let plan = solver.solve(&book.positions, &[], &[straight]).unwrap().clone();
        let given = Limit { figure: Figure::Given(&sum), ..straight };
        let same = solver.solve(&book.positions, &[], &[given]).unwrap();
        assert!(
            (same.cost - plan.cost).abs() < 1e-9 && same.outcome == Outcome::Restored,
            "{round}: {same:?} {plan:?}"
        );
        let round_sum = |kept: &[f64]| -> f64 {
            kept.iter()
                .zip(&weights)
                .map(|(quantity, weight)| (quantity * weight) * (quantity * weight))
                .sum::<f64>()
                .sqrt()
        };
        let start = round_sum(&book.flat());
        let value = |amounts: &[f64]| Tail::of(&book.after(amounts), 0.9).unwrap().value_at_risk();
        let before = value(&book.nothing());
        if before <= 0.0 {
            continue;
        }
        let bent = Limit { figure: Figure::Given(&round_sum), limit: start * 0.9, restore: start * 0.5 };
        let quantile = Limit {
            figure: Figure::ValueAtRisk { sample: 0, confidence: 0.9 },
            limit: before * 0.9,
            restore: before * 0.5,
        };
        let kept = |amounts: &[f64]| -> Vec<f64> {
            book.positions.iter().zip(amounts).map(|(one, amount)| one.held - amount).collect()
        };
        let lists: Vec<Vec<f64>> = book.positions.iter().map(choices).collect();
        let mut cheapest = [f64::INFINITY; 2];
        for a in &lists[0] {
            for b in &lists[1] {
                for c in &lists[2] {
                    let tried = [*a, *b, *c];
                    let cost: f64 = book.positions.iter().zip(tried).map(|(one, amount)| one.cost.of(amount)).sum();
                    let keeps = [round_sum(&kept(&tried)) <= bent.restore, value(&tried) <= quantile.restore];
                    for (least, keeps) in cheapest.iter_mut().zip(keeps) {
                        *least = if keeps { least.min(cost) } else { *least };
                    }
                }
            }
        }
        for (number, limit) in [bent, quantile].into_iter().enumerate() {
            let plan = solver.solve(&book.positions, &[book.sample()], &[limit]).unwrap();
            assert!(plan.outcome == Outcome::Restored && plan.levels[0].after <= limit.restore * (1.0 + 1e-9));
            assert!(
                plan.cost >= cheapest[number] * (1.0 - 1e-9) && plan.bound <= cheapest[number],
                "{round}: {plan:?}"
            );
            worst[number] += (plan.cost / cheapest[number] - 1.0) / 60.0;
        }
    }
    println!("over the cheapest on average: bent {:.3}, value at risk {:.3}", worst[0], worst[1]);
    assert!(worst[0] < 0.1 && worst[1] < 0.25, "{worst:?}");
}

#[test]
fn what_is_no_question_is_refused() {
    let profits = noise(20);
    let sample = Sample { profits: &profits, rest: &[], scenarios: 20 };
    let mut solver = Solver::new();
    let mut ask = |position: Position, sample: Sample, limit: Limit| {
        solver.solve(&[position], &[sample], &[limit]).map(|plan| plan.outcome)
    };
    let limit = shortfall_limit(0.5, 0.4);
    assert_eq!(ask(plain(1.0, 1.0), sample, shortfall_limit(9.0, 1.0)), Ok(Outcome::Within));
    for bad in [plain(-1.0, 1.0), plain(f64::NAN, 1.0), plain(1.0, -0.1), Position { lot: 0.0, ..plain(1.0, 1.0) }] {
        assert!(matches!(ask(bad, sample, limit), Err(ReductionError::Position { position: 0, .. })));
    }
    for (bad, restore) in [(f64::NAN, 0.0), (1.0, 1.1), (1.0, f64::NAN)] {
        let refused = ask(plain(1.0, 1.0), sample, shortfall_limit(bad, restore));
        assert!(matches!(refused, Err(ReductionError::Limit { limit: 0, .. })));
    }
    let count = |sample: Sample, limit: Limit| {
        matches!(Solver::new().solve(&[plain(1.0, 1.0)], &[sample], &[limit]), Err(ReductionError::Count { .. }))
    };
    assert!(count(Sample { scenarios: 21, ..sample }, limit) && count(Sample { rest: &profits[1..], ..sample }, limit));
    let figure = Figure::ExpectedShortfall { sample: 1, confidence: 0.9 };
    assert!(count(sample, Limit { figure, ..limit }));
    assert!(count(sample, Limit { figure: Figure::Linear { weights: &[], rest: 0.0 }, ..limit }));
    let tail = |confidence: f64, profits: &[f64]| {
        let figure = Figure::ExpectedShortfall { sample: 0, confidence };
        Solver::new().solve(&[plain(1.0, 1.0)], &[Sample { profits, ..sample }], &[Limit { figure, ..limit }]).err()
    };
    let why = TailError::TooFew { count: 20, fewest: 100 };
    assert_eq!(tail(0.99, &profits), Some(ReductionError::Tail { limit: 0, why }));
    assert!(matches!(tail(1.0, &profits), Some(ReductionError::Tail { why: TailError::Confidence(_), .. })));
    let mut bad = profits.clone();
    bad[3] = f64::NAN;
    let why = TailError::NotFinite { scenario: 3 };
    assert_eq!(tail(0.9, &bad), Some(ReductionError::Tail { limit: 0, why }));
    // Nothing at all is a question, too.
    assert_eq!(Solver::new().solve(&[], &[], &[]).unwrap().outcome, Outcome::Within);
}

//! Several accounts, several currencies, spot, flows of money and positions from before, as rows.

#![allow(clippy::unwrap_used, reason = "literals of tests")]

mod common;

use common::{at, catalogue, catalogue_of, check, config, currency};
use exchange::*;
use market::{AccountSpec, InstrumentKind};
use units::{AccountId, InstrumentId};

#[test]
fn each_account_trades_its_own_instruments_with_its_own_money() {
    check(
        "
        config deposit 100 deposit2 50 taker 0.001
        first deposit 100 USDT, deposit 50 USDT
        bar 100 100 100 100 + bar Y 200 200 200 200
        place 1 buy 10 market
        place 2 buy 5 Y market                      # 1,000 / 20 = 50 and a fee of 1: the other account's 100 do not help
        place 3 buy 4 Y market
        place 4 buy 1 market as2
        place 5 buy 1 Y market as1
        bar 100 100 100 100 + bar Y 200 200 200 200 → ack 1, ack 2, ack 3, rejected 4 instrument, rejected 5 instrument
                                → fill 1 buy 10 @ 100 fee 1 → cancelled 2 margin → fill 3 buy 4 @ 200 fee 0.8
        is net 10 net2 4 equity 99 equity2 49.2 USDT 99 USDT2 49.2
        bar 101 101 101 101 + funding Y 0.001 → funding -0.8
        is equity 109 equity2 48.4
        ",
    );
}

#[test]
fn a_liquidation_cancels_the_orders_of_its_account_alone() {
    check(
        "
        config deposit 100 deposit2 1000
        bar 100 100 100 100 + bar Y 100 100 100 100
        place 1 buy 10 market
        place 2 buy 1 limit 50
        place 3 buy 1 Y limit 50
        bar 100 100 100 100     → ack 1, ack 2, ack 3 → fill 1 buy 10 @ 100
        # 100 + 10 (p - 100) = 0.25 p at 900 / 9.75
        bar 100 100 90 90       → fill 0 sell 10 @ 92.3 ref 92.30769231 liquidation → cancelled 2 liquidated
        is orders 3 equity 23 equity2 1000
        ",
    );
}

#[test]
fn a_currency_bears_the_margin_of_what_settles_in_it_alone() {
    check(
        "
        config y inverse deposit 10 coin 100
        first deposit 10 USDT, deposit 100 COIN
        bar 100 100 100 100 + bar Y 100 100 100 100
        place 1 buy 2 market                        # 200 / 20 are all of the 10 dollars
        place 2 buy 0.1 market
        place 3 buy 200000 Y market                 # 2,000 coins / 20 are all of the 100 coins
        place 4 buy 10 Y market
        bar 100 100 100 100 + bar Y 100 100 100 100 → ack 1, ack 2, ack 3, ack 4
                                → fill 1 buy 2 @ 100 → cancelled 2 margin → fill 3 buy 200000 @ 100 → cancelled 4 margin
        is equity 10010                             # 10 and 100 coins of 100
        # 10 + 2 (p - 100) = 0.05 p; the coins stay out of it
        bar 100 100 90 97.5     → fill 0 sell 2 @ 97.4 ref 97.43589744 liquidation
        is net 0 net2 200000 USDT 4.8 COIN 100
        ",
    );
}

#[test]
fn spot_is_paid_in_full_and_only_what_is_held_is_sold() {
    check(
        "
        config x spot deposit 1000 taker 0.001
        bar 100 100 100 100
        place 1 buy 10 market                       # 1,000 and a fee of 1
        place 2 buy 9 market
        place 3 sell 9.5 market
        bar 100 100 100 100     → ack 1, ack 2, ack 3 → cancelled 1 funds → fill 2 buy 9 @ 100 fee 0.9 → cancelled 3 funds
        is USDT 99.1 COIN 9 equity 999.1 net 9
        bar 100 100 0.1 0.1                         # nothing liquidates it
        is equity 100
        place 4 sell 4 market
        place 5 sell 10 limit 0.2 reduce            # cut to what is held
        bar 0.1 0.3 0.1 0.3     → ack 4, ack 5 → fill 4 sell 4 @ 0.1 fee 0.0004 → fill 5 sell 5 @ 0.2 maker
                                → cancelled 5 nothing
        is USDT 100.4996 COIN 0 net 0 orders -
        ",
    );
}

#[test]
fn coins_paid_in_can_be_sold() {
    check(
        "
        config x spot deposit 0 coin 3
        first deposit 0 USDT, deposit 3 COIN
        bar 100 100 100 100
        place 1 sell 2 market
        place 2 sell 2 market
        bar 100 100 100 100     → ack 1, ack 2 → fill 1 sell 2 @ 100 → cancelled 2 funds
        is USDT 200 COIN 1 net -2 equity 300
        bar 100 120 100 120
        is equity 320
        place 3 buy 5 market reduce                 # back to what was paid in
        bar 80 80 80 80         → ack 3 → fill 3 buy 2 @ 80 → cancelled 3 nothing
        is USDT 40 COIN 3 equity 280
        ",
    );
}

#[test]
fn spot_is_bought_from_what_margin_and_losses_leave() {
    check(
        "
        config x spot deposit 100
        bar 100 100 100 100 + bar Y 100 100 100 100
        place 1 buy 10 Y market                     # 1,000 / 20 = 50
        bar 100 100 100 100 + bar Y 100 100 100 100 → ack 1 → fill 1 buy 10 @ 100
        place 2 buy 0.6 market
        place 3 buy 0.2 market
        bar 100 100 100 100 + bar Y 100 100 100 100 → ack 2, ack 3 → cancelled 2 funds → fill 3 buy 0.2 @ 100
        bar 100 100 100 100 + bar Y 98 98 98 98     # 80 less 20 less 49
        place 4 buy 0.12 market
        place 5 buy 0.11 market
        bar 100 100 100 100 + bar Y 98 98 98 98 → ack 4, ack 5 → cancelled 4 funds → fill 5 buy 0.11 @ 100
        is USDT 69 COIN 0.31 equity 80
        ",
    );
}

#[test]
fn money_flows_at_its_time_after_bars_and_before_funding() {
    check(
        "
        config deposit 100
        flow 2 deposit 50 USDT
        flow 3 withdraw 30 USDT
        is due 2
        bar 100 100 100 100
        place 1 buy 20 market                       # 2,000 / 20 are all of the 100; more would not do
        place 2 buy 1 market
        place 3 buy 10 limit 100
        bar 100 100 100 100     → ack 1, ack 2, ack 3 → fill 1 buy 20 @ 100 → cancelled 2 margin
                                → cancelled 3 margin → deposit 50 USDT
        bar 100 100 100 100 + funding 0.0001 → withdrawal -30 USDT → funding -0.2
        is USDT 119.8 due - refused 0
        ",
    );
}

#[test]
fn what_nobody_advanced_to_happens_before_the_bars() {
    check(
        "
        config deposit 100
        flow 1.2 withdraw 95 USDT
        flow 1.4 deposit 1 USDT
        flow 3.5 deposit 7 USDT
        bar 100 100 100 100
        place 1 buy 10 market
        bar 100 100 100 100     → ack 1 → withdrawal -95 USDT → deposit 1 USDT → cancelled 1 margin
        bar 100 100 100 100
        is due 3.5
        due                     → deposit 7 USDT
        is USDT 13
        ",
    );
}

#[test]
fn more_than_what_is_free_is_refused() {
    check(
        "
        config deposit 100
        flow 2.5 withdraw 50.1 USDT
        flow 3 withdraw 50 USDT
        flow 4 withdraw 0.1 USDT
        flow 5 withdraw 1 COIN
        bar 100 100 100 100
        place 1 buy 10 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 10 @ 100
        due
        is refused 1 USDT 100
        bar 100 100 100 100     → withdrawal -50 USDT
        bar 101 101 101 101                         # profit that is not realised is not free, and margin is 50.5
        bar 101 101 101 101
        is refused 3 USDT 50 due -
        ",
    );
}

#[test]
fn a_transfer_moves_money_and_the_mark_that_its_currency_needs() {
    check(
        "
        config deposit 100 coin 3 deposit2 50
        flow 2 transfer 2 COIN
        flow 3 transfer 200 USDT
        flow 4 transfer 100 USDT
        bar 100 100 100 100
        is equity 400 equity2 50
        bar 110 110 110 110     → transfer -2 COIN, transfer 2 COIN
        is COIN 1 COIN2 2 equity 210 equity2 270    # X tells the second account what a coin is worth
        bar 120 120 120 120
        is equity2 290 refused 1
        bar 120 120 120 120     → transfer -100 USDT, transfer 100 USDT
        is USDT 0 USDT2 150 equity 120 equity2 390
        ",
    );
}

#[test]
fn a_conversion_takes_at_the_mark_with_costs() {
    check(
        "
        config deposit 100 coin 3 spread 0.001 slippage 0.001 taker 0.01
        flow 0.5 convert 1 COIN USDT
        flow 2 convert 1 COIN USDT
        flow 3 convert 100 USDT COIN
        flow 4 convert 1 USDT ABC
        flow 5 convert 10 USDT USDC
        bar 100 100 100 100                         # at 0.5 there was no price
        is refused 1 equity 400
        bar 200 200 200 200     → conversion -1 COIN, conversion 197.604 USDT   # 199.6 less 1 %
        # 100 / 200.4, less 1 % rounded up
        bar 200 200 200 200     → conversion -100 USDT, conversion 0.4940119760479041 COIN
        bar 200 200 200 200
        is refused 2
        bar 200 200 200 200     → conversion -10 USDT, conversion 9.8802 USDC   # par less 0.2 % less 1 %
        is USDT 187.604 COIN 2.4940119760479041
        ",
    );
}

#[test]
fn positions_from_before_come_with_the_deposit() {
    check(
        "
        config deposit 1000 taker 0.001 open X:2@100 open Y:-1.5@40
        first deposit 1000 USDT, fill 2 buy 2 @ 100 opening, fill 2 sell 1.5 @ 40 opening
        is net 2 net2 -1.5 equity 1000 fees 0
        bar 110 110 110 110 + bar Y 50 50 50 50
        is equity 1005
        place 1 sell 2 market reduce
        bar 110 110 110 110     → ack 1 → fill 1 sell 2 @ 110 fee 0.22
        is USDT 1019.78 net 0
        ",
    );
    check(
        "
        config x spot deposit 1000 open X:2@100
        first deposit 1000 USDT, fill 2 buy 2 @ 100 opening
        is USDT 800 COIN 2 equity 1000
        ",
    );
}

#[test]
fn an_exit_that_is_not_reduce_only_is_an_ordinary_order_but_for_its_time() {
    check(
        "
        config deposit 100
        bar 100 100 100 100
        place 1 buy 10 market
        bar 100 100 100 100     → ack 1 → fill 1 buy 10 @ 100
        place 2 buy 20 stop 104 exit                # one strategy is short 20 beside another's 30
        bar 100 104 100 104     → ack 2 → triggered 2, cancelled 2 margin   # 140 do not bear 30 at 104
        place 3 sell 1 limit 108
        bar 104 110 104 110     → ack 3 → fill 3 sell 1 @ 108 maker ! place 4 sell 12 stop 106 exit → ack 4
        # sent inside the bar it works at once, and it turns the net
        bar 110 110 105 105     → triggered 4, fill 4 sell 12 @ 106
        is net -3
        place 5 buy 1 stop 106 exit
        place 6 buy 9 stop 107 exit
        bar 105 108 105 108     → ack 5, ack 6 → triggered 5, fill 5 buy 1 @ 106 → triggered 6, fill 6 buy 9 @ 107
        is net 7
        ",
    );
}

#[test]
fn what_cannot_be_is_told_before_it_is_opened() {
    let sentence = |change: &dyn Fn(&mut ExchangeConfig)| {
        let mut config = config("1000");
        change(&mut config);
        config.check(&catalogue()).unwrap_err().to_string()
    };
    let second = |venue: &str| AccountTerms {
        spec: Some(AccountSpec { venue: venue.into(), numeraire: currency("USDT") }),
        deposits: vec![],
        fees: None,
    };
    let flow = |account, kind| Flow { at: at(1), account: AccountId(account), kind };
    let (amount, usdt) = ("5".parse().unwrap(), currency("USDT"));
    let opening = OpeningPosition {
        account: AccountId(0),
        instrument: InstrumentId(7),
        qty: "2".parse().unwrap(),
        price: "100".parse().unwrap(),
    };
    let schedule = FeeSchedule { tiers: vec![], currency: market::Currency::USD };
    assert_eq!(sentence(&|config| config.accounts.clear()), "the exchange needs at least one account");
    assert_eq!(
        sentence(&|config| config.continuous_funding.clear()),
        "continuous funding has 0 entries for 2 instruments: give one for each"
    );
    assert_eq!(
        sentence(&|config| config.accounts.push(second("sim"))),
        "two accounts trade sim:X-PERP: give each account a venue of its own"
    );
    assert_eq!(
        sentence(&|config| config.accounts[0].fees = Some(schedule.clone())),
        "the fee tiers of account 0 must begin at 0 and rise, with rates under 100 %"
    );
    assert_eq!(
        sentence(&|config| config.positions.push(opening)),
        "account 0 cannot open with 2 of instrument 7 at 100: it needs an instrument that the account trades, a quantity \
         that is not zero and a price over zero"
    );
    assert_eq!(
        sentence(&|config| config.settlements.push((InstrumentId(1), "0".parse().unwrap()))),
        "instrument 1 cannot be settled at 0: it needs an instrument of the catalogue and a price over zero"
    );
    for (kind, account, what) in [
        (FlowKind::Deposit { amount, currency: usdt }, 3, "the deposit of 5 USDT to account 3"),
        (
            FlowKind::Transfer { to: AccountId(0), amount, currency: usdt },
            0,
            "the transfer of 5 USDT to account 0 from account 0",
        ),
        (FlowKind::Conversion { amount, from: usdt, to: usdt }, 0, "the conversion of 5 USDT into USDT in account 0"),
        (
            FlowKind::Withdrawal { amount: "0".parse().unwrap(), currency: usdt },
            0,
            "the withdrawal of 0 USDT from account 0",
        ),
    ] {
        let sentence = sentence(&|config| config.flows.push(flow(account, kind)));
        let rest = "is not possible: it needs an account that exists, an amount over zero and another target";
        assert_eq!(sentence, format!("{what} at 1970-01-01T00:01:00Z {rest}"));
    }
    let mut apart = config("1000");
    apart.accounts = vec![second("sim"), second("other")];
    assert_eq!(apart.check(&catalogue_of([InstrumentKind::Spot; 2], ["sim", "other"])), Ok(()));
}

#[test]
fn a_refusal_says_what_was_free() {
    let withdrawal = FlowKind::Withdrawal { amount: "500".parse().unwrap(), currency: currency("USDT") };
    let flow = Flow { at: at(1), account: AccountId(0), kind: withdrawal };
    let mut terms = config("120.5");
    terms.flows.push(flow);
    let mut exchange = Exchange::new(terms, &catalogue());
    exchange.advance(at(2), &[]);
    while exchange.poll().is_some() {}
    let [refused] = exchange.refused_flows() else { unreachable!("one flow, refused") };
    assert_eq!(
        refused.to_string(),
        "the withdrawal of 500 USDT from account 0 at 1970-01-01T00:01:00Z was refused: 120.5 were free"
    );
}

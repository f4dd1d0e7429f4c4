//! Finding events by what they have in common, on every store, against a look at all of them.

use beadle::domain::event::{Meta, NewEvent, Recorded, SyncAdvanced};
use beadle::domain::id::{Position, RoomId, UserId};
use beadle::store::{By, Direction, EventStore, Expected, Write};

use crate::store_world::{StdDice, World, contract, event, everything, stream};

contract! {
    what_is_in_common_is_found,
    events_are_read_at_positions,
}

/// Appends batches of events that have this and that in common; the same ones in every run.
async fn put_various(store: &dyn EventStore, batches: usize, dice: &mut StdDice) {
    for _ in 0..batches {
        let writes = (0..dice.below(3) + 1).map(|nth| {
            let events = (0..dice.below(4) + 1).map(|_| various(dice)).collect();
            let stream = stream(&format!("test-{}", nth * 10 + dice.below(3)));
            Write { stream, expected: Expected::Any, key: None, events }
        });
        store.append(writes.collect()).await.expect("appends");
    }
}

fn various(dice: &mut StdDice) -> NewEvent {
    let known = |dice: &mut StdDice, of: u64| Some(dice.below(of + 1)).filter(|it| *it < of);
    let meta = Meta {
        actor: known(dice, 3).map(|it| UserId(format!("@u{it}:hs"))),
        room: known(dice, 2).map(|it| RoomId(format!("!r{it}:hs"))),
        network: known(dice, 2).map(|it| format!("n{it}")),
        correlation: known(dice, 4).map(|it| stream(&format!("trigger-{it}"))),
        cause: None,
    };
    let event = match dice.below(3) {
        0 => NewEvent::bare(SyncAdvanced { token: "t".into() }),
        _ => event("x"),
    };
    NewEvent { meta, ..event }
}

/// What to look for: everything that some event has, and what none has.
fn all_in_common(events: &[Recorded]) -> Vec<By> {
    let mut all = vec![By::Kind("nothing".into()), By::Correlation(stream("trigger-none"))];
    for event in events {
        all.extend(event.actor.clone().map(By::Actor));
        all.extend(event.room.clone().map(By::Room));
        all.extend(event.network.clone().map(By::Network));
        all.extend(event.correlation.clone().map(By::Correlation));
        all.push(By::Kind(event.kind.clone()));
        // A person's name is no room's.
        all.extend(event.actor.clone().map(By::Room));
    }
    all.sort();
    all.dedup();
    all
}

async fn what_is_in_common_is_found(mut world: World) {
    let mut dice = StdDice(7);
    for round in 0..3 {
        let store = world.store();
        put_various(&*store, 60, &mut dice).await;
        let events = everything(&*store);
        let end = events.len() as u64;
        for by in all_in_common(&events) {
            let places = [0, 1, dice.below(end), dice.below(end), end - 1, end, u64::MAX];
            for (from, direction) in places
                .into_iter()
                .flat_map(|from| [(from, Direction::Forward), (from, Direction::Backward)])
            {
                let fits = |event: &&Recorded| match direction {
                    Direction::Forward => event.position.0 >= from && by.holds(event),
                    Direction::Backward => event.position.0 <= from && by.holds(event),
                };
                let fitting = events.iter().filter(fits).map(|event| event.position);
                let mut want: Vec<_> = fitting.collect();
                if direction == Direction::Backward {
                    want.reverse();
                }
                for max in [0, 1, 7, usize::MAX] {
                    let found = store.positions(&by, Position(from), direction, max);
                    let want = &want[..want.len().min(max)];
                    assert_eq!(found.expect("reads"), want, "{by:?} {from} {direction:?} {max}");
                }
            }
        }
        drop(store);
        // Half of the rounds find what they look for in memory, half of them on disk.
        if round % 2 == 0 {
            world.reopen();
        }
    }
}

async fn events_are_read_at_positions(mut world: World) {
    let store = world.store();
    let mut dice = StdDice(9);
    put_various(&*store, 60, &mut dice).await;
    drop(store);
    world.reopen();
    let store = world.store();
    put_various(&*store, 20, &mut dice).await;
    let events = everything(&*store);
    let end = events.len() as u64;
    let some: Vec<_> = (0..200).map(|_| dice.below(end)).collect();
    for positions in [
        vec![],
        vec![0],
        vec![end, u64::MAX],
        (0..end).collect(),
        (0..end).rev().collect(),
        vec![end - 1, end, 3, 3, 0, end - 2],
        some,
    ] {
        let there = positions.iter().filter(|position| **position < end);
        let want: Vec<_> = there.map(|position| events[*position as usize].clone()).collect();
        let positions: Vec<_> = positions.into_iter().map(Position).collect();
        assert_eq!(store.read_at(&positions).expect("reads"), want, "{positions:?}");
    }
}

//! Calls of every kind, and what they make of another sandbox.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn machine(cores: u32, has_no_core_to_spare: fn() -> bool) -> Machine {
    Machine::new(cores, 1000, has_no_core_to_spare)
}

fn idle() -> Machine {
    machine(2, || false)
}

fn busy() -> Machine {
    machine(2, || true)
}

fn load(waiting: u32, standing: u32) -> Load {
    Load { waiting, calls: waiting, standing, busy: standing }
}

/// Of a function whose starts take 100 ms, and whose calls took this long and this much of a core.
fn pace(call: Duration, cpu: Duration, now: Instant) -> Pace {
    let mut pace = Pace::default();
    pace.wait(now);
    for _ in 0..KNOWN {
        pace.call_ended(call, cpu);
    }
    pace.started(100 * MS, now);
    pace
}

#[test]
fn up_to_the_cores_every_one_pays() {
    let pace = Pace::default();
    let now = Instant::now();
    assert!(pace.pays(load(1, 0), now, &busy()) && pace.pays(load(1, 1), now, &busy()));
    assert!(!pace.pays(load(200, 2), now, &idle()), "nothing is known yet");
}

#[test]
fn quick_calls_are_served_before_another_one_is_up() {
    let now = Instant::now();
    let quick = pace(MS, Duration::ZERO, now);
    assert!(!quick.pays(load(198, 2), now, &idle()), "99 ms");
    assert!(quick.pays(load(202, 2), now, &idle()), "101 ms");
    assert!(!quick.pays(load(202, 3), now, &idle()), "67 ms");
    let slow = pace(Duration::from_secs(1), Duration::ZERO, now);
    assert!(slow.pays(load(1, 9), now, &idle()) && !slow.pays(load(1, 11), now, &idle()));
}

#[test]
fn calls_that_take_longer_than_ever_show_in_the_pace() {
    let began = Instant::now();
    let mut unknown = Pace::default();
    unknown.wait(began);
    unknown.started(100 * MS, began);
    let at = |ms: u32| began + ms * MS;
    assert!(!unknown.pays(load(8, 2), at(24), &idle()), "it is too early to tell");
    assert!(unknown.pays(load(8, 2), at(25), &idle()), "none ended in 25 ms, and 8 wait");
    (0..20).for_each(|_| unknown.served());
    assert!(!unknown.pays(load(8, 2), at(25), &idle()), "20 ended");
    assert!(unknown.pays(load(100, 2), at(25), &idle()), "100 wait");
    let coming = Load { waiting: 100, calls: 100, standing: 4, busy: 2 };
    assert!(!unknown.pays(coming, at(25), &idle()), "two more are about to be there");
}

#[test]
fn calls_that_wait_without_a_pause_get_one_more_each_time() {
    let began = Instant::now();
    let mut quick = pace(MS, Duration::ZERO, began);
    (0..1000).for_each(|_| quick.served());
    assert!(!quick.pays(load(5, 2), began + 99 * MS, &idle()));
    assert!(quick.pays(load(5, 2), began + 100 * MS, &idle()));
    assert!(!quick.pays(load(5, 2), began + 100 * MS, &busy()), "no core could run it");
    quick.begin_start(began + 100 * MS);
    assert!(!quick.pays(load(5, 3), began + 199 * MS, &idle()));
}

#[test]
fn calls_that_compute_get_no_more_than_the_cores() {
    let now = Instant::now();
    let computing = pace(50 * MS, 50 * MS, now);
    assert!(!computing.pays(load(200, 2), now, &idle()));
    // Four on two cores: each takes twice as long.
    assert!(!pace(100 * MS, 50 * MS, now).pays(load(200, 4), now, &idle()));
    assert!(pace(50 * MS, 10 * MS, now).pays(load(200, 2), now, &idle()), "most of it is waiting");
}

#[test]
fn a_busy_machine_starts_what_would_wait_for_long() {
    let now = Instant::now();
    let slow = pace(Duration::from_secs(1), Duration::ZERO, now);
    assert!(!slow.pays(load(2, 2), now, &busy()) && slow.pays(load(3, 2), now, &busy()));
}

#[test]
fn the_first_slow_calls_are_soon_forgotten() {
    let mut mean = Mean::default();
    for value in [20.0, 20.0, 1.0, 1.0, 1.0, 1.0, 1.0] {
        mean.note(value);
    }
    assert!(mean.0.unwrap() < 2.0);
    mean.note(20.0);
    assert!(mean.0.unwrap() < 4.0, "one alone makes no difference");
}

#[test]
fn looks_are_not_piled_up() {
    let (mut pace, now) = (Pace::default(), Instant::now());
    assert_eq!(pace.look_later(now), Some(now + 25 * MS));
    assert_eq!(pace.look_later(now + 24 * MS), None);
    assert_eq!(pace.look_later(now + 25 * MS), Some(now + 50 * MS));
}

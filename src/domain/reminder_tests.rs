//! Reminders: their times, their number, whom they go to.

use serde_json::Value;

use super::super::event::{EffectClass, EffectResult, QuestionAsked, Wants};
use super::super::id::{MessageId, UserId};
use super::*;

/// A question that was asked at 0, reminded of every 10 minutes at first, and then of the lead.
fn asked() -> Step {
    let remind = Remind {
        after_ms: 600_000,
        due: Timestamp(600_000),
        then: Whom { people: vec![UserId("@lead:hs".into())], roles: vec!["ops".into()] },
    };
    let question = QuestionAsked::plain("2", Wants::YesNo, "Sure?", MessageId("M".into()));
    let mut step = Step::new("confirm", &Value::Null, 1, EffectClass::Log);
    step.remind_due = Some(remind.due);
    step.question = Some(QuestionAsked { remind: Some(remind), ..question });
    step
}

#[test]
fn each_reminder_takes_twice_as_long_and_the_second_goes_to_others_too() {
    let mut step = asked();
    let mut times = vec![];
    while let Some(at) = step.remind_due {
        let reminder = due(&step, at, at).expect("it is due");
        assert_eq!(reminder.also.is_empty(), reminder.nth != ESCALATES, "{reminder:?}");
        times.push(at.0 / 60_000);
        (step.reminded, step.remind_due) = (reminder.nth, reminder.next);
    }
    assert_eq!(times, [10, 30, 70, 150, 310]);
    assert_eq!(step.reminded, REMINDERS_MAX);
}

#[test]
fn a_bot_that_was_away_reminds_once() {
    let step = asked();
    let late = Timestamp(86_400_000);
    let reminder = due(&step, Timestamp(600_000), late).expect("it is due");
    assert_eq!(reminder.next, Some(late.plus_ms(1_200_000)));
}

#[test]
fn what_is_answered_or_reminded_of_already_is_left_alone() {
    let at = Timestamp(600_000);
    let mut answered = asked();
    answered.result = Some(EffectResult::Ok(Value::Bool(true)));
    assert_eq!(due(&answered, at, at), None);
    let mut reminded = asked();
    reminded.remind_due = Some(Timestamp(1_800_000));
    assert_eq!(due(&reminded, at, at), None);
    let mut without = asked();
    without.question = without.question.map(|it| QuestionAsked { remind: None, ..it });
    assert_eq!(due(&without, at, at), None);
}

#[test]
fn a_timer_knows_its_question() {
    for path in ["2", "3.1.0", "which", "name-0"] {
        assert_eq!(question_path(&timer_path(path)), Some(path));
        assert_eq!(question_path(path), None);
    }
}

#[test]
fn the_last_reminder_of_the_longest_wait_comes_within_bounds() {
    let remind = Remind { after_ms: REMIND_MS_MAX, due: Timestamp(0), then: Whom::default() };
    const { assert!(REMIND_MS_MIN < REMIND_MS_MAX) };
    let all: i64 = (1..REMINDERS_MAX)
        .map(|nth| next(&remind, nth, Timestamp(0)).expect("there is a next one").0)
        .sum();
    assert!(REMIND_MS_MAX + all < 3 * 366 * 86_400_000, "{all}");
    assert_eq!(next(&remind, REMINDERS_MAX, Timestamp(0)), None);
}

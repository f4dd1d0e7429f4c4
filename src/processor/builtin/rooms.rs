//! `!rooms`, `!join` and `!leave` at work: the network is asked, what it did is recorded, and who asked hears of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{answer, wait_for};
use crate::adapter::{Left, RoomAct, RoomAnswer, RoomInfo};
use crate::domain::builtin::Builtin;
use crate::domain::event::{Departure, EffectResult, Ending, Event, ExecutionSuspended};
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{RoomId, UserId};
use crate::domain::room_command::{self, Next};
use crate::processor::action::ActionDone;
use crate::processor::sheet::{Prepared, Sheet};
use crate::processor::stays::called;
use crate::processor::{Error, Kernel, meta_of};

/// The path of the message that tells of it.
const TOLD: &str = "told";

impl Kernel {
    /// Asks the network, or says what came of it.
    pub(super) fn room_command_slice(
        &self,
        builtin: Builtin,
        execution: &Execution,
    ) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        match room_command::next(builtin, execution) {
            Next::Do { path, op, args, class } => {
                wait_for(&mut sheet, path, op, args, class);
            }
            Next::Wait => sheet.event(ExecutionSuspended {}),
            Next::Answer(text) => {
                answer(&mut sheet, execution, TOLD, &text);
                sheet.finished(Ending::Succeeded(json!(text)));
            }
            Next::Report(text) => {
                let notice = self.notice(sheet.message_id(TOLD), &meta_of(execution), &text)?;
                sheet.write(notice.into_iter().collect());
                sheet.finished(Ending::Succeeded(json!(text)));
            }
        }
        Ok(sheet.finish())
    }

    /// Does what a step of such a command asks of the network.
    pub(in crate::processor) async fn room_effect(
        &self,
        execution: &Execution,
        step: &Step,
    ) -> Result<ActionDone, Error> {
        let began = Instant::now();
        let room = RoomId(step.args["room"].as_str().unwrap_or_default().to_owned());
        let user = UserId(step.args["user"].as_str().unwrap_or_default().to_owned());
        let act = match step.op.as_str() {
            "join" => RoomAct::Join(room),
            "leave" => RoomAct::Leave(room),
            "manages" => RoomAct::Manages(user),
            _ => RoomAct::List,
        };
        let result = match self.chat.rooms(&act).await {
            Err(error) => Err(error.reason().to_owned()),
            Ok(answer) => self.noted(&act, answer, execution).await?,
        };
        let result = match result {
            Ok(value) => EffectResult::Ok(value),
            Err(message) => EffectResult::Err(json!({ "kind": "failed", "message": message })),
        };
        Ok(ActionDone { result, whole: None, took: began.elapsed().max(Duration::ZERO) })
    }

    /// Records what the network did, and gives it as a value.
    async fn noted(
        &self,
        act: &RoomAct,
        answer: RoomAnswer,
        execution: &Execution,
    ) -> Result<Result<Value, String>, Error> {
        let (by, meta) = (execution.started.requester.id.clone(), meta_of(execution));
        Ok(match (act, answer) {
            (_, RoomAnswer::Manages(manages)) => Ok(json!(manages)),
            (_, RoomAnswer::Standing(standing)) => Ok(json!(standing)),
            (_, RoomAnswer::Told(answer)) => Ok(json!(answer)),
            (_, RoomAnswer::Found(room)) => Ok(json!(room)),
            (_, RoomAnswer::Invited { there }) => Ok(json!(there)),
            (_, RoomAnswer::Rooms { total, rooms }) => {
                let mut listed = vec![];
                for room in rooms {
                    let why = self.why_here(&room.room)?;
                    let mut row = json!(room);
                    row["why"] = json!(why);
                    listed.push(row);
                }
                Ok(json!({ "total": total, "rooms": listed }))
            }
            (_, RoomAnswer::Left { room, now }) => {
                let value = named(&room);
                let RoomInfo { room: id, name, .. } = room;
                let (room, how, by) = (id.clone(), Departure::Asked, Some(by));
                let left = Left { room, name, how, by, words: None };
                let left = self.went(left, &meta, now).await?;
                // Done again after a kill, it may have been recorded the first time.
                let last = self.standing(&id)?.and_then(|recorded| recorded.correlation);
                match now || left || last == meta.correlation {
                    true => Ok(value),
                    false => Err("I am not in that room".into()),
                }
            }
            (_, RoomAnswer::Room(room)) => {
                let value = named(&room);
                self.came(room, by, &meta).await?;
                Ok(value)
            }
        })
    }

    /// Why the bot is in a room.
    fn why_here(&self, room: &RoomId) -> Result<String, Error> {
        if self.management_room()?.as_ref() == Some(room) {
            return Ok("the management room".into());
        }
        let standing = self.standing(room)?;
        Ok(match standing.as_ref().and_then(|recorded| recorded.event()) {
            Some(Event::InviteDecided(invite)) => format!("{} invited me", invite.inviter),
            Some(Event::RoomJoined(joined)) => format!("{} told me to come", joined.by),
            Some(Event::RoomFollowed(followed)) => {
                format!("it replaced {}", called(&followed.name, &followed.from))
            }
            _ => "it is not recorded how I came here".into(),
        })
    }
}

fn named(room: &RoomInfo) -> Value {
    json!({ "room": room.room, "name": room.name })
}

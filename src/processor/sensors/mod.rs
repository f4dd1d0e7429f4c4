//! Sensors: those that the scripts declare run, each once; what they see becomes triggers, and they are started again when they end.
//!
//! A sensor's lines are taken no faster than they are recorded: behind that, its own pipe holds it up.

mod feed;
mod record;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::feed::{Feeding, Seen};
use self::record::Came;
use super::{Error, Kernel};
use crate::adapter::Intake;
use crate::adapter::secrets::Secrets;
use crate::domain::id::{Position, Timestamp};
use crate::domain::sensor::{ENDS_TOLD, HEALTHY_MS, back_off_ms};
use crate::domain::switch::Automation;
use crate::domain::words::sensors as words;
use crate::script::sensor::SensorDef;
use crate::script::source::Script;

/// How long the sensors may take to end when the bot stops.
const STOP_WITHIN: Duration = Duration::from_secs(4);
/// How soon it is seen that a sensor was switched off or on.
const SWITCHES_EVERY: Duration = Duration::from_millis(500);
/// How often the owner is told of lines that are no triggers.
pub const BAD_TOLD_EVERY: Duration = Duration::from_secs(3_600);

/// How a sensor does, for those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// It runs since then.
    Runs(Timestamp),
    /// It ended so often one after the other, for this reason, and is started again then.
    Ended(u32, String, Timestamp),
}

/// How the sensors of this process do.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<BTreeMap<String, Doing>>);

/// A sensor that is looked after.
struct Tended {
    identity: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), Error>>,
}

/// Nobody looks after it any more: it ends, and its program with it.
impl Drop for Tended {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a sensor needs of the bot.
#[derive(Clone)]
struct Around {
    kernel: Arc<Kernel>,
    intake: Arc<dyn Intake>,
    secrets: Arc<Secrets>,
}

impl Kernel {
    /// How the sensors of this process do.
    pub fn sensors_doing(&self) -> BTreeMap<String, Doing> {
        self.sensing.0.lock().expect("nobody panics with it").clone()
    }

    fn sensor_does(&self, name: &str, doing: Option<Doing>) {
        let mut board = self.sensing.0.lock().expect("nobody panics with it");
        match doing {
            Some(doing) => drop(board.insert(name.to_owned(), doing)),
            None => drop(board.remove(name)),
        }
    }

    /// The script that declares a sensor.
    pub fn sensor_file(&self, name: &str) -> Option<String> {
        let offered = self.scripts.offered();
        let declares = |script: &&Arc<Script>| script.sensors.iter().any(|def| def.name == name);
        offered.set.scripts.values().find(declares).map(|script| script.file.clone())
    }

    /// Those of the sensors that are not switched off.
    fn sensors_on(&self) -> Result<BTreeMap<String, Arc<SensorDef>>, Error> {
        let (off, now) = (self.switches()?.0, self.clock.now());
        let mut wanted = self.sensors();
        wanted.retain(|name, _| off.off(Automation::Sensor, name, now).is_none());
        Ok(wanted)
    }

    /// The sensors that the scripts declare now, by name.
    pub fn sensors(&self) -> BTreeMap<String, Arc<SensorDef>> {
        let offered = self.scripts.offered();
        let all = offered.set.scripts.values().flat_map(|script| &script.sensors);
        let all = all.map(|def| (def.name.clone(), Arc::new(def.clone())));
        all.collect()
    }
}

/// Looks after the sensors until `stop` turns true or the log fails.
///
/// # Errors
/// [`Error`] if the log fails: the process must end.
pub async fn run(
    kernel: Arc<Kernel>,
    intake: Arc<dyn Intake>,
    secrets: Secrets,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let around = Around { kernel, intake, secrets: Arc::new(secrets) };
    let mut tended: BTreeMap<String, Tended> = BTreeMap::new();
    let mut changes = around.kernel.scripts.changes();
    // What is switched off or on stands in the log.
    let mut head = around.kernel.store.watch();
    while !*stop.borrow() {
        changes.borrow_and_update();
        head.borrow_and_update();
        let wanted = around.kernel.sensors_on()?;
        let stays = |name: &String, it: &Tended| {
            wanted.get(name).is_some_and(|def| def.identity() == it.identity)
        };
        let (kept, over): (BTreeMap<_, _>, BTreeMap<_, _>) =
            tended.into_iter().partition(|(name, it)| stays(name, it));
        tended = kept;
        // One of a name has ended before another one starts.
        end(over).await?;
        for (name, def) in wanted {
            tended.entry(name).or_insert_with(|| begin(&around, def));
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = switched(&mut head) => {}
            () = told(&mut stop) => {}
            failed = first_failure(&mut tended) => return failed,
        }
    }
    end(tended).await
}

/// The log has moved on, and a while is over: it is looked whether sensors were switched.
async fn switched(head: &mut watch::Receiver<Position>) {
    if head.changed().await.is_err() {
        return std::future::pending().await;
    }
    tokio::time::sleep(SWITCHES_EVERY).await;
}

fn begin(around: &Around, def: Arc<SensorDef>) -> Tended {
    let (stop, stopping) = watch::channel(false);
    let identity = def.identity();
    let task = tokio::spawn(tend(around.clone(), def, stopping));
    Tended { identity, stop, task }
}

/// Tells sensors to end, and waits for it.
async fn end(over: BTreeMap<String, Tended>) -> Result<(), Error> {
    for it in over.values() {
        it.stop.send_replace(true);
    }
    for (name, mut it) in over {
        match tokio::time::timeout(STOP_WITHIN, &mut it.task).await {
            Ok(Ok(ended)) => ended?,
            Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            Err(_) => {
                // What is dropped is killed.
                tracing::warn!(sensor = name, "it does not end, and is killed");
            }
        }
    }
    Ok(())
}

/// Waits for one that ends by itself: the log has failed.
async fn first_failure(tended: &mut BTreeMap<String, Tended>) -> Result<(), Error> {
    let tasks = tended.values_mut().map(|it| &mut it.task);
    if tasks.len() == 0 {
        return std::future::pending().await;
    }
    match futures_util::future::select_all(tasks).await.0 {
        Ok(ended) => ended,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Looks after one sensor until it is told to stop.
async fn tend(
    around: Around,
    def: Arc<SensorDef>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let (kernel, name) = (&around.kernel, def.name.as_str());
    let mut ends = 0_u32;
    while !*stop.borrow() {
        let began = Instant::now();
        kernel.sensor_does(name, Some(Doing::Runs(kernel.clock.now())));
        let Some(why) = run_once(&around, &def, &mut stop).await? else { break };
        let healthy = Duration::from_millis(HEALTHY_MS.unsigned_abs());
        ends = if began.elapsed() >= healthy { 1 } else { ends.saturating_add(1) };
        let wait_ms = back_off_ms(ends);
        tracing::warn!(sensor = name, why, ends, wait_ms, "it has ended, and is started again");
        if ends == ENDS_TOLD {
            kernel.notify(&words::ends_again(name, ends, &why)).await?;
        }
        let again = kernel.clock.now().plus_ms(wait_ms);
        kernel.sensor_does(name, Some(Doing::Ended(ends, why, again)));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())) => {}
            () = told(&mut stop) => {}
        }
    }
    kernel.sensor_does(name, None);
    Ok(())
}

/// Runs a sensor until it ends, and says why; none: it was told to.
async fn run_once(
    around: &Around,
    def: &SensorDef,
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<String>, Error> {
    let Around { kernel, intake, secrets } = around;
    let stands = kernel.sensor_stands(&def.name)?;
    let started = Feeding::start(kernel, def, secrets, stands.cursor.as_deref()).await;
    let mut feeding = match started {
        Ok(feeding) => feeding,
        Err(why) => return Ok(Some(why)),
    };
    if let (None, Some(cursor)) = (&stands.cursor, feeding.cursor()) {
        // Nothing was there yet; from here on nothing is passed over.
        kernel.sensed(&def.name, vec![Seen { line: None, cursor: Some(cursor) }]).await?;
    }
    let mut bad = Bad::default();
    let gap = Duration::from_secs(1) / def.lines_a_second.max(1);
    loop {
        let seen = tokio::select! {
            biased;
            () = told(stop) => {
                feeding.stop().await;
                return Ok(None);
            }
            seen = feeding.next() => seen,
        };
        let seen = match seen {
            Ok(seen) => seen,
            Err(why) => {
                let why = feeding.ended(why).await;
                return Ok(Some(why));
            }
        };
        while let Ok(Some(wait)) = intake.closed().await {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = told(stop) => {}
            }
            if *stop.borrow() {
                // It is not recorded, so it is not behind the cursor either.
                feeding.stop().await;
                return Ok(None);
            }
        }
        let count = u32::try_from(seen.len()).unwrap_or(u32::MAX);
        let came = kernel.sensed(&def.name, seen).await?;
        if let Some(text) = bad.told(&def.name, &came, Instant::now()) {
            kernel.notify(&text).await?;
        }
        tokio::select! {
            () = tokio::time::sleep(gap.saturating_mul(count)) => {}
            () = told(stop) => {}
        }
    }
}

/// Ends when it is told to, or was told already.
async fn told(stop: &mut watch::Receiver<bool>) {
    // Nobody is left to tell: that is an end too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The lines that are no triggers: counted, and told once an hour.
#[derive(Default)]
struct Bad {
    told: Option<Instant>,
    count: u64,
}

impl Bad {
    /// What the owner reads now; none: nothing.
    fn told(&mut self, name: &str, came: &Came, now: Instant) -> Option<String> {
        let (why, line) = came.bad.first()?;
        self.count += came.bad.len() as u64;
        if self.told.is_some_and(|told| now.duration_since(told) < BAD_TOLD_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(words::bad_lines(name, std::mem::take(&mut self.count), why, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_told_once_an_hour() {
        let came =
            |count: usize| Came { bad: vec![("it is no JSON".into(), "door".into()); count] };
        let (mut bad, start) = (Bad::default(), Instant::now());
        assert_eq!(bad.told("doors", &came(0), start), None);
        assert!(bad.told("doors", &came(2), start).expect("told").contains("2 lines"));
        let later = start + BAD_TOLD_EVERY - Duration::from_secs(1);
        assert_eq!(bad.told("doors", &came(3), later), None);
        let text = bad.told("doors", &came(1), start + BAD_TOLD_EVERY).expect("told again");
        assert!(text.contains("4 lines") && text.contains("door"), "{text}");
    }
}

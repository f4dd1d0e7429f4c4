//! Real monitoring on one side, a real homeserver on the other: Alertmanager and Nagios of Debian post to the bot's hooks,
//! and what people say in the room is done at the source.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::scene::Scene;
use crate::lab::{Chat, Event, Plain, free_port, in_thread};

/// Longer than anything here takes on a busy machine.
const AMPLE: Duration = Duration::from_secs(90);
/// How long it is waited between two looks at another program.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What the senders show to the bot.
const TOKEN: &str = "a-token-of-the-hooks";

/// A program that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of the packages that `tools/install.sh` unpacks.
fn unpacked(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/receivers/usr").join(program);
    assert!(path.exists(), "{} is missing: run tools/install.sh", path.display());
    path
}

/// Starts a program that writes into a file beside the bot's own.
fn started(dir: &Path, program: &str, args: &[String]) -> Ends {
    let log = fs::File::create(dir.join("program.log")).expect("the lab directory is ours");
    let both = log.try_clone().expect("a file of ours");
    let mut command = Command::new(unpacked(program));
    command.args(args).current_dir(dir).stdin(Stdio::null()).stdout(log).stderr(both);
    Ends(command.spawn().expect("it is unpacked"))
}

/// A script of `scripts/receivers` with other constants.
fn receiver(name: &str, constants: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/receivers").join(name);
    let mut script = fs::read_to_string(path).expect("it is ours");
    for (constant, value) in constants {
        let begin = format!("const {constant} = \"");
        let at = script.find(&begin).expect("it has this constant") + begin.len();
        let end = at + script[at..].find('"').expect("a text ends");
        script.replace_range(at..end, value);
    }
    script
}

/// A bot with a hook of this name at a port of its own; `scripts` are written when its room is known.
fn listening(
    hook: &str,
    http: &str,
    scripts: impl FnOnce(&mut Scene<Plain>),
) -> (Scene<Plain>, u16) {
    let mut scene = Scene::plain(|_| {});
    scene.bot.stop();
    let port = free_port();
    let config = fs::read_to_string(scene.bot.dir.join("beadle.toml")).expect("it is configured");
    let config = config.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let own = format!("\n[hooks.{hook}]\nauth = \"bearer\"\nsecret = \"hooks/token\"\n\n{http}");
    scene.bot.write("beadle.toml", format!("{config}{own}"));
    scene.bot.environment.push(("BEADLE_SECRET_HOOKS_TOKEN".into(), TOKEN.into()));
    scripts(&mut scene);
    scene.bot.start();
    (scene, port)
}

/// Waits until a look at another program shows what is wanted.
fn until<T>(scene: &mut Scene<Plain>, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + AMPLE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {AMPLE:?}: {what}");
        scene.bot.runs_on_for(LOOK_EVERY);
    }
}

fn amtool(port: u16, args: &[&str]) -> Output {
    let url = format!("--alertmanager.url=http://127.0.0.1:{port}");
    Command::new(unpacked("bin/amtool")).arg(url).args(args).output().expect("it is unpacked")
}

/// The matchers of the silences that Alertmanager holds.
fn silences(port: u16) -> String {
    String::from_utf8_lossy(&amtool(port, &["silence", "query"]).stdout).into_owned()
}

fn alertmanager(dir: &Path, port: u16, hook: u16) -> Ends {
    let config = format!(
        "route: {{ receiver: beadle, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }}\n\
         receivers:\n- name: beadle\n  webhook_configs:\n  - url: http://127.0.0.1:{hook}/hooks/alertmanager\n    \
         send_resolved: true\n    http_config: {{ authorization: {{ credentials: {TOKEN} }} }}\n"
    );
    fs::write(dir.join("am.yml"), config).expect("the lab directory is ours");
    let args = [
        "--config.file=am.yml".to_owned(),
        "--storage.path=am".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    started(dir, "bin/prometheus-alertmanager", &args)
}

/// Alertmanager fires, the room hears it, what is silenced in the room is silenced there, and the end edits the root.
#[test]
fn an_alert_of_alertmanager_is_told_silenced_there_and_resolved() {
    let port = free_port();
    let http = format!("[http]\nprivate = [\"127.0.0.1:{port}\"]\n");
    let (mut scene, hook) = listening("alertmanager", &http, |scene| {
        let url = format!("http://127.0.0.1:{port}");
        let constants = [("ALERTMANAGER", url.as_str()), ("ROOM", scene.room.as_str())];
        scene.bot.script("alertmanager.rhai", &receiver("alertmanager.rhai", &constants));
    });
    let _alertmanager = alertmanager(&scene.bot.dir, port, hook);
    let alert = ["alert", "add", "HighCPU", "severity=critical", "instance=web301:9100"];
    let fires = [&alert[..], &["--annotation=summary=CPU over 95 % on web301"]].concat();
    until(&mut scene, "the alert is taken", || amtool(port, &fires).status.success().then_some(()));
    scene.bot_says("CPU over 95 % on web301");
    assert!(!silences(port).contains("HighCPU"));
    let asked = scene.say("!shut up HighCPU for 1h because we are on it");
    println!("{}", scene.bot_answers(&asked, "silenced"));
    let listed = until(&mut scene, "the silence is listed", || {
        Some(silences(port)).filter(|listed| listed.contains("alertname=\"HighCPU\""))
    });
    println!("amtool silence query:\n{listed}");
    assert!(listed.contains("we are on it"), "{listed}");
    scene.say("!unsilence HighCPU/web301");
    until(&mut scene, "the silence has ended", || {
        (!silences(port).contains("HighCPU")).then_some(())
    });
    let now = jiff::Timestamp::now().strftime("--end=%Y-%m-%dT%H:%M:%SZ").to_string();
    let over = amtool(port, &[&alert[..], &[now.as_str()]].concat());
    assert!(over.status.success(), "{}", String::from_utf8_lossy(&over.stderr));
    let bot = scene.bot.account.id.clone();
    let (ann, room) = (&mut scene.ann, &scene.room);
    let edited = ann.until(room, "an edit of the root that says `resolved`", |events| {
        let of_bot = events.iter().filter(|it| it.sender == bot && it.edits().is_some());
        of_bot.map(|it| it.latest_body().to_owned()).find(|body| body.contains("resolved"))
    });
    println!("the root says now: {edited}");
}

fn nagios(dir: &Path, hook: u16) -> Ends {
    let at = dir.display();
    fs::create_dir_all(dir.join("checkresults")).expect("the lab directory is ours");
    let notify = Path::new(env!("CARGO_MANIFEST_DIR"));
    let notify = notify.join("scripts/receivers/actions/nagios_notify.py");
    let notify = format!("{} http://127.0.0.1:{hook}/hooks/nagios {at}/token", notify.display());
    let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let days: String = days.iter().map(|day| format!("{day} 00:00-24:00\n")).collect();
    let objects = format!(
        "define timeperiod {{\ntimeperiod_name always\nalias always\n{days}}}\n\
         define command {{\ncommand_name nothing\ncommand_line /bin/true\n}}\n\
         define command {{\ncommand_name beadle\ncommand_line {notify}\n}}\n\
         define contact {{\ncontact_name beadle\nhost_notification_period always\nservice_notification_period always\n\
         host_notification_options d,u,r\nservice_notification_options w,u,c,r\n\
         host_notification_commands beadle\nservice_notification_commands beadle\n}}\n\
         define host {{\nhost_name web301\naddress 127.0.0.1\ncheck_command nothing\nactive_checks_enabled 0\n\
         max_check_attempts 1\ncheck_period always\nnotification_period always\ncontacts beadle\n}}\n\
         define service {{\nhost_name web301\nservice_description CPU\ncheck_command nothing\nactive_checks_enabled 0\n\
         max_check_attempts 1\ncheck_interval 1\nretry_interval 1\ncheck_period always\nnotification_interval 60\n\
         notification_period always\nnotification_options w,u,c,r\ncontacts beadle\n}}\n"
    );
    fs::write(dir.join("objects.cfg"), objects).expect("the lab directory is ours");
    fs::write(dir.join("token"), TOKEN).expect("the lab directory is ours");
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).expect("users can be read");
    let group = nix::unistd::Group::from_gid(nix::unistd::getgid()).expect("groups can be read");
    let (user, group) = (user.expect("we are one").name, group.expect("we have one").name);
    let files = [
        "log_file=nagios.log",
        "cfg_file=objects.cfg",
        "object_cache_file=objects.cache",
        "precached_object_file=objects.precache",
        "status_file=status.dat",
        "state_retention_file=retention.dat",
        "temp_file=nagios.tmp",
        "check_result_path=checkresults",
        "lock_file=nagios.lock",
        "command_file=nagios.cmd",
        "query_socket=nagios.qh",
    ];
    let paths = files.map(|line| line.replacen('=', &format!("={at}/"), 1)).join("\n");
    let config = format!(
        "{paths}\ntemp_path={at}\nstatus_update_interval=1\nnagios_user={user}\nnagios_group={group}\n\
         check_external_commands=1\nenable_notifications=1\nenable_environment_macros=1\ncheck_workers=1\n\
         use_syslog=0\ncheck_for_updates=0\n"
    );
    fs::write(dir.join("nagios.cfg"), config).expect("the lab directory is ours");
    started(dir, "sbin/nagios4", &[format!("{at}/nagios.cfg")])
}

/// A critical service of Nagios that was told in the room: the room, what runs, where it writes, and what the bot said.
fn critical() -> (Scene<Plain>, Ends, PathBuf, Event) {
    let (mut scene, hook) = listening("nagios", "", |scene| {
        let commands = scene.bot.dir.join("nagios.cmd").display().to_string();
        let constants = [("COMMANDS", commands.as_str()), ("ROOM", scene.room.as_str())];
        scene.bot.script("nagios.rhai", &receiver("nagios.rhai", &constants));
        let program = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = program.join("scripts/receivers/actions/nagios_command.py");
        let program = fs::read_to_string(program).expect("it is ours");
        scene.bot.executable("actions/nagios_command.py", &program);
    });
    let dir = scene.bot.dir.clone();
    let nagios = nagios(&dir, hook);
    let pipe = dir.join("nagios.cmd");
    until(&mut scene, "nagios reads commands", || {
        fs::metadata(&pipe).is_ok_and(|it| it.file_type().is_fifo()).then_some(())
    });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
    let result = format!(
        "[{}] PROCESS_SERVICE_CHECK_RESULT;web301;CPU;2;high CPU over 95%\n",
        now.as_secs()
    );
    fs::write(&pipe, result).expect("nagios reads it");
    let told = scene.bot_says("web301/CPU: CRITICAL, high CPU over 95%");
    assert!(!acknowledged(&dir));
    (scene, nagios, dir, told)
}

/// Whether Nagios knows that somebody looks after the service.
fn acknowledged(dir: &Path) -> bool {
    let status = fs::read_to_string(dir.join("status.dat")).unwrap_or_default();
    let service = status.split("servicestatus {").nth(1).unwrap_or_default().to_owned();
    service.contains("problem_has_been_acknowledged=1")
}

/// The line in which Nagios notes that it was told so.
fn noted(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join("nagios.log")).expect("nagios writes it");
    let line = log.lines().find(|line| line.contains("ACKNOWLEDGE_SVC_PROBLEM;web301;CPU"));
    line.expect("nagios notes the command").to_owned()
}

/// A critical service of Nagios is told in the room, and is acknowledged there by a command in the room.
#[test]
fn a_problem_of_nagios_is_told_and_acknowledged_there() {
    let (mut scene, _nagios, dir, _) = critical();
    scene.say("!nagios ack web301");
    scene.bot_says("web301 acknowledged by");
    until(&mut scene, "it is acknowledged in nagios", || acknowledged(&dir).then_some(()));
    println!("{}", noted(&dir));
    scene.bot_says("acknowledged by nagios");
}

/// In the thread of its alert nobody has to say which host it is.
#[test]
fn a_problem_of_nagios_is_acknowledged_in_the_thread_of_its_alert() {
    let (mut scene, _nagios, dir, told) = critical();
    let command = in_thread(&told.event_id, "!nagios ack because we look at it");
    scene.ann.post(&scene.room, command);
    let answer = scene.bot_says("web301 acknowledged by");
    assert_eq!(answer.thread(), Some(told.event_id.as_str()), "{answer:#?}");
    until(&mut scene, "it is acknowledged in nagios", || acknowledged(&dir).then_some(()));
    let line = noted(&dir);
    assert!(line.contains("we look at it"), "{line}");
    println!("{line}");
    scene.bot_says("acknowledged by nagios");
}

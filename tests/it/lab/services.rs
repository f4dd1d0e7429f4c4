//! An IRC network with accounts: Debian's inspircd, and atheme, whose NickServ knows who is identified for which.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::homeserver::{Lab, free_port};
use super::irc::{Irc, UNPACKED, WITHIN, unpacked};
use super::process::Running;

/// A server with services; the lab's reaper ends them.
pub struct Services {
    pub port: u16,
}

impl Services {
    /// Starts both, with files of their own in the lab's directory.
    ///
    /// # Panics
    /// If they do not come.
    pub fn start(lab: &Lab) -> Services {
        let (port, link, dir) = (free_port(), free_port(), lab.dir.join("services"));
        fs::create_dir_all(&dir).expect("the lab directory is ours");
        let here = dir.display().to_string();
        let filled = |text: &str| {
            let text = text.replace("PORT", &port.to_string()).replace("LINK", &link.to_string());
            text.replace("HERE", &here).replace("UNPACKED", UNPACKED)
        };
        let modules = format!("{}/atheme/modules", libraries_of_machine().display());
        let load = |name: &&str| format!("loadmodule \"{modules}/{name}\";\n");
        let services: String = ATHEME_MODULES.iter().map(load).collect();
        fs::write(dir.join("inspircd.conf"), filled(INSPIRCD)).expect("it is ours");
        fs::write(dir.join("atheme.conf"), services + filled(ATHEME).as_str()).expect("it is ours");
        let config = dir.join("inspircd.conf").display().to_string();
        let arguments = ["--runasroot", "--nofork", "--config", config.as_str()];
        unpacked(lab, &dir, "sbin/inspircd", &arguments, port);
        let config = dir.join("atheme.conf").display().to_string();
        let (log, pid) = (format!("{here}/atheme.log"), format!("{here}/atheme.pid"));
        let arguments = ["-n", "-c", &config, "-D", &here, "-l", &log, "-p", &pid];
        let mut atheme = unpacked(lab, &dir, "bin/atheme-services", &arguments, port);
        let services = Services { port };
        services.are_linked(&mut atheme);
        services
    }

    /// Somebody comes with a nick.
    pub fn person(&self, nick: &str) -> Irc {
        Irc::connect(self.port, nick)
    }

    /// Somebody comes with a nick, and registers it.
    pub fn registers(&self, nick: &str, password: &str) -> Irc {
        let mut person = self.person(nick);
        person.say("NickServ", &format!("REGISTER {password} {nick}@example.org"));
        person.wait(" 900 ");
        person
    }

    /// Services link themselves some time after the start.
    fn are_linked(&self, atheme: &mut Running) {
        let mut somebody = self.person("probe");
        let deadline = Instant::now() + WITHIN;
        loop {
            somebody.say("NickServ", "HELP");
            let answer = somebody.until("an answer of NickServ or none", |line| {
                let there = line.starts_with(":NickServ!");
                (there || line.contains(" 401 ")).then_some(there)
            });
            if answer {
                return;
            }
            let ended = atheme.ends_within(Duration::from_millis(50));
            assert!(ended.is_none() && Instant::now() < deadline, "no services: {ended:?}");
        }
    }
}

/// Where the unpacked programs keep what they load; its name has the machine's architecture in it.
fn libraries_of_machine() -> PathBuf {
    let folders = fs::read_dir(format!("{UNPACKED}/lib")).expect("tools/install.sh unpacks them");
    let paths = folders.map(|folder| folder.expect("a folder can be read").path());
    let mut of_machine = paths.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    of_machine.next().expect("tools/install.sh unpacks them")
}

/// A server that lets everybody in quickly; the words in capitals are replaced.
const INSPIRCD: &str = r#"<server name="irc2.test" description="t" network="Accounts" id="97K">
<admin name="a" nick="a" email="a@b.c">
<bind address="127.0.0.1" port="PORT" type="clients">
<bind address="127.0.0.1" port="LINK" type="servers">
<connect allow="*" timeout="60" threshold="1000" commandrate="100000" fakelag="off" pingfreq="2m" hardsendq="1M" softsendq="8192" recvq="64K" localmax="50" globalmax="50" resolvehostnames="no" useident="no">
<options prefixquit="Q: " defaultmodes="nt" casemapping="ascii">
<performance netbuffersize="10240" somaxconn="128">
<security announceinvites="dynamic">
<limits maxnick="31">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="HERE/ircd.log">
<pid file="HERE/ircd.pid">
<path configdir="HERE" datadir="HERE" logdir="HERE" moduledir="UNPACKED/lib/inspircd/modules">
<module name="spanningtree"><module name="services_account"><module name="cap"><module name="sasl"><module name="globops"><module name="servprotect">
<sasl target="services.test">
<link name="services.test" ipaddr="127.0.0.1" port="LINK" allowmask="127.0.0.1" sendpass="linkpw" recvpass="linkpw">
<uline server="services.test" silent="yes">
<class name="Shutdown" commands="*"><type name="NetAdmin" classes="Shutdown"><oper name="root" password="x" host="*@localhost" type="NetAdmin">
"#;

/// In the order in which they need each other: what is missing would be looked for where Debian installs it.
const ATHEME_MODULES: &[&str] = &[
    "transport/rfc1459",
    "protocol/base36uid",
    "protocol/inspircd",
    "backend/corestorage",
    "backend/opensex",
    "crypto/pbkdf2v2",
    "nickserv/main",
    "nickserv/register",
    "nickserv/identify",
    "nickserv/info",
    "nickserv/logout",
    "nickserv/status",
    "saslserv/main",
    "saslserv/plain",
    "operserv/main",
];

const ATHEME: &str = r#"serverinfo { name = "services.test"; desc = "s"; numeric = "00A"; recontime = 1; netname = "Accounts"; hidehostsuffix = "users.test"; adminname = "a"; adminemail = "a@b.test"; registeremail = "noreply@b.test"; mta = "/bin/true"; loglevel = { error; info; network; admin; register; }; maxlogins = 5; maxusers = 0; mdlimit = 30; emaillimit = 10; emailtime = 300; auth = none; casemapping = ascii; };
uplink "irc2.test" { host = "127.0.0.1"; port = LINK; send_password = "linkpw"; receive_password = "linkpw"; };
nickserv { nick = "NickServ"; user = "NickServ"; host = "services.test"; real = "Nick"; aliases {}; };
saslserv { nick = "SaslServ"; user = "SaslServ"; host = "services.test"; real = "Sasl"; };
operserv { nick = "OperServ"; user = "OperServ"; host = "services.test"; real = "Oper"; aliases {}; };
general { secure = no; verbose_wallops = no; flood_msgs = 0; flood_time = 10; ratelimit_uses = 0; kline_time = 7; vhost_change = 30; commit_interval = 5; default_clone_allowed = 50; default_clone_warn = 40; uflags = { hidemail; }; raw = no; silent = no; };
database { };
"#;

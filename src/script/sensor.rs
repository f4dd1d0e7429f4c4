//! Sensors as scripts declare them: programs that print what they see, and files that grow.

use super::action::ActionDef;

/// A sensor of a script.
#[derive(Debug, Clone)]
pub struct SensorDef {
    /// Its name: what it sees are the triggers `sensor.NAME`.
    pub name: String,
    /// Where its lines come from.
    pub feed: Feed,
    /// How many lines are taken in a second.
    pub lines_a_second: u32,
    /// What it is for.
    pub help: String,
    /// Where it is declared.
    pub line: u32,
    /// Where it is declared.
    pub column: u32,
}

/// Where the lines of a sensor come from.
#[derive(Debug, Clone)]
pub enum Feed {
    /// A program that prints them; what it runs by is said as for an action.
    Program(Box<ActionDef>),
    /// A file that grows.
    File {
        /// Its path; from the folder of the script, if it does not begin with `/`.
        path: String,
        /// The folder of the script, from the scripts folder.
        folder: String,
        /// What a line must be like: a regular expression, whose groups become fields.
        pattern: Option<String>,
    },
}

impl SensorDef {
    /// What makes it another sensor when it changes: it is started again then.
    pub fn identity(&self) -> String {
        let rate = self.lines_a_second;
        match &self.feed {
            Feed::Program(def) => format!(
                "{rate} {:?} {:?} {:?} {:?} {:?} {:?}",
                def.run, def.env, def.secrets, def.dir, def.folder, def.memory_bytes
            ),
            Feed::File { path, folder, pattern } => {
                format!("{rate} {path:?} {folder:?} {pattern:?}")
            }
        }
    }
}

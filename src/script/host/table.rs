//! The shape of the table of host functions: what stands in a row, and how people read it.

use crate::domain::event::EffectClass;

/// One host function.
#[derive(Debug)]
pub struct HostFn {
    /// Its name.
    pub name: &'static str,
    /// The ways to call it.
    pub forms: &'static [Form],
    /// What its `#{ .. }` may hold.
    pub options: &'static [Opt],
    /// Where it may be used.
    pub place: Place,
    /// Whether it may be repeated; none: it does nothing outside the script.
    pub class: Option<EffectClass>,
    /// Whether the execution waits for it.
    pub waits: bool,
    /// What it throws.
    pub errors: &'static [Thrown],
    /// What it does, in a sentence.
    pub help: &'static str,
    /// Lines that use it, as they stand in a handler, or at the top level for what belongs there.
    pub example: &'static str,
}

/// One way to call a function.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The value that it is called on, `p` in `p.done("ready")`.
    pub on: Option<Param>,
    /// What stands in the parentheses.
    pub params: &'static [Param],
    /// What it gives.
    pub gives: Kind,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
}

/// An option of a function.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it does.
    pub help: &'static str,
}

/// An error that a function throws.
#[derive(Debug, Clone, Copy)]
pub struct Thrown {
    /// Its `kind`; empty for one that is a text.
    pub kind: &'static str,
    /// When.
    pub when: &'static str,
}

/// Where a function may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the top level of a script, where it declares something.
    TopLevel,
    /// In what runs: handlers and what they call.
    Handler,
    /// Everywhere.
    Anywhere,
    /// In the body of a `test`.
    Test,
}

/// What a parameter takes or a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Any,
    /// A text.
    Text,
    /// A text or a list of texts.
    Texts,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A text such as `"15m"`, or a number of seconds.
    Duration,
    /// A list.
    List,
    /// A map.
    Map,
    /// A map of the row's options.
    Options,
    /// A closure.
    Function,
    /// Nothing.
    Unit,
    /// A type of ours, by the name that it is registered with.
    Type(&'static str),
}

impl HostFn {
    /// A function of handlers that is recorded in the log and does not wait: what most rows are.
    pub const EFFECT: Self = Self {
        name: "",
        forms: &[],
        options: &[],
        place: Place::Handler,
        class: Some(EffectClass::Log),
        waits: false,
        errors: &[],
        help: "",
        example: "",
    };
    /// A function of handlers that waits.
    pub const WAITS: Self = Self { waits: true, ..Self::EFFECT };
    /// A function that may be used everywhere and does nothing outside the script.
    pub const PURE: Self = Self { place: Place::Anywhere, class: None, ..Self::EFFECT };
    /// A function of the top level.
    pub const DECLARES: Self = Self { place: Place::TopLevel, class: None, ..Self::EFFECT };

    /// The option of a name.
    pub fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.name == name)
    }

    /// All forms, as people read them: `say(text) · say(room, text)`.
    pub fn usage(&self) -> String {
        self.forms.iter().map(|form| self.shown(form)).collect::<Vec<_>>().join(" · ")
    }

    /// One form, as people read it: `ask(question, #{ from, choices })`.
    pub fn shown(&self, form: &Form) -> String {
        let param = |param: &Param| match param.kind {
            Kind::Options => {
                let names: Vec<&str> = self.options.iter().map(|option| option.name).collect();
                format!("#{{ {} }}", names.join(", "))
            }
            Kind::Function => format!("|{}| ..", param.name),
            _ => param.name.to_owned(),
        };
        let params: Vec<String> = form.params.iter().map(param).collect();
        let on = form.on.map_or(String::new(), |on| format!("{}.", on.name));
        format!("{on}{}({})", self.name, params.join(", "))
    }
}

impl Form {
    /// How many arguments the engine sees, with the value that it is called on.
    pub fn arity(&self) -> usize {
        self.params.len() + usize::from(self.on.is_some())
    }
}

impl Kind {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Text => "text",
            Self::Texts => "text or list of texts",
            Self::Int => "int",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Duration => "duration",
            Self::List => "list",
            Self::Map | Self::Options => "map",
            Self::Function => "function",
            Self::Unit => "()",
            Self::Type(name) => name,
        }
    }

    /// Whether it takes a value of a type, named as [`type_word`] does.
    pub fn takes(self, given: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Texts => matches!(given, "text" | "list"),
            Self::Number => matches!(given, "int" | "number"),
            Self::Duration => matches!(given, "text" | "int" | "number"),
            other => other.word() == given,
        }
    }
}

/// The engine's name of a type in the words of the table.
pub fn type_word(engine: &str) -> &str {
    match engine.trim() {
        "i64" => "int",
        "f64" => "number",
        "array" => "list",
        "Fn" => "function",
        "&str | ImmutableString | String" | "string" | "char" => "text",
        other => other,
    }
}

/// A form of a function.
pub const fn form(params: &'static [Param], gives: Kind) -> Form {
    Form { on: None, params, gives }
}

/// A form of a function that is called on a value.
pub const fn method(on: Param, params: &'static [Param], gives: Kind) -> Form {
    Form { on: Some(on), params, gives }
}

/// A parameter.
pub const fn p(name: &'static str, kind: Kind) -> Param {
    Param { name, kind }
}

/// An option.
pub const fn opt(name: &'static str, kind: Kind, help: &'static str) -> Opt {
    Opt { name, kind, help }
}

/// An error.
pub const fn thrown(kind: &'static str, when: &'static str) -> Thrown {
    Thrown { kind, when }
}

/// The parameter that takes the options of the row.
pub const OPTIONS: Param = p("options", Kind::Options);

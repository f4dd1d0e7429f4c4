//! The two words by which a question is answered from afar: “pink martini”.
//!
//! They are chosen by what will run, so that they mean exactly that; no two words are one slip of a finger apart, so that a
//! mistyped phrase is never another one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::ExecutionStarted;
use super::id::IdKey;

/// How many words each list has.
pub const WORDS: usize = 256;
/// How many phrases there are.
pub const PHRASES_MAX: usize = WORDS * WORDS;
/// How many phrases are tried for a content. With nine in ten of them taken, one content in a thousand is left without;
/// to look for the last free ones would cost each question as much as there are phrases.
pub const PHRASES_TRIED_MAX: usize = 64;

/// The keyed hash of what an answer sets going: the script in its version, what it was told, for whom, where, and the
/// question.
pub fn content(key: &IdKey, started: &ExecutionStarted, path: &str, question: &str) -> String {
    let (handler, place) = (&started.handler, &started.place);
    let hash = key.hash(
        "content",
        &[
            handler.script.as_str(),
            &handler.file,
            &handler.alias,
            &canonical(&started.args),
            place.room.as_str(),
            started.requester.id.as_str(),
            path,
            question,
        ],
    );
    data_encoding::HEXLOWER.encode(&hash)
}

/// A value as text, the fields of every map in one order, however it was written.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, String> =
                map.iter().map(|(name, value)| (name, canonical(value))).collect();
            let field = |(name, value): (&String, String)| format!("{name:?}:{value}");
            format!("{{{}}}", sorted.into_iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

/// The phrase for a content: the first one that is not taken of those that its hash points at; empty if all of them are.
pub fn choose(key: &IdKey, content: &str, taken: impl Fn(&str) -> bool) -> String {
    let hash = key.hash("phrase", &[content]);
    let pair = |at: usize| usize::from(hash[at]) * WORDS + usize::from(hash[at + 1]);
    // How far it is to the next one is odd, so that none comes twice, and the content's own: contents that begin in one
    // place do not go on side by side.
    let (first, stride) = (pair(0), pair(2) | 1);
    let nth = |n: usize| words((first + n * stride) % PHRASES_MAX);
    (0..PHRASES_TRIED_MAX).map(nth).find(|phrase| !taken(phrase)).unwrap_or_default()
}

/// What stands for a phrase where nothing may be read in the clear.
pub fn tag(key: &IdKey, phrase: &str) -> String {
    key.tag("phrase", &[phrase]).to_string()
}

fn words(nth: usize) -> String {
    let word = |list: &'static str, nth| list.split_ascii_whitespace().nth(nth).unwrap_or_default();
    format!("{} {}", word(FIRST, nth / WORDS), word(SECOND, nth % WORDS))
}

/// Whether a text has a phrase at its beginning or its end, as people write it: with or without quotation marks, in
/// any case. Gives what is left beside it.
pub fn said<'a>(phrase: &str, text: &'a str) -> Option<&'a str> {
    let (first, second) = phrase.split_once(' ')?;
    let marks = |c: char| c.is_whitespace() || "\"'“”„«»‘’.,!:;".contains(c);
    let text = text.trim_matches(marks);
    let same = |word: &str, other: &str| word.trim_matches(marks).eq_ignore_ascii_case(other);
    let words: Vec<&str> = text.split_whitespace().collect();
    let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    match words.as_slice() {
        [a, b, rest @ ..] if same(a, first) && same(b, second) => {
            Some(rest.first().map_or("", |word| text[place(word)..].trim_matches(marks)))
        }
        [rest @ .., a, b] if same(a, first) && same(b, second) => {
            Some(rest.last().map_or("", |_| text[..place(a)].trim_matches(marks)))
        }
        _ => None,
    }
}

/// Whether a text is two words such as a phrase has, whatever they answer.
pub fn is_like_one(text: &str) -> bool {
    let lower = text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let has = |list: &str, word: &str| list.split_ascii_whitespace().any(|known| known == word);
    matches!(words.as_slice(), [a, b] if has(FIRST, a) && has(SECOND, b))
}

/// What stands first: how something looks or is.
const FIRST: &str = "\
    agile airy alpine amber ancient arctic autumn awake azure balmy blithe bold bouncy brave \
    brief bright brisk bronze bubbly calm candid careful casual chilly civic classic clean \
    cloudy cobalt comfy copper coral cosmic cosy crafty crimson crisp curious curly dainty dandy \
    dapper daring dashing decent deep dizzy dotted dreamy dusky eager early earnest easy elegant \
    emerald epic equal exact exotic faint famous fancy fast festive fine floral fluffy flying \
    fond formal fresh frosty frugal fuzzy gallant gentle giant giddy gifted gilded glad glassy \
    golden grand happy hardy hazy hearty helpful hidden hollow honest humble hushed icy ideal \
    idle indigo ivory jade jaunty jazzy jolly jovial joyful jumbo keen knitted lanky lasting \
    lavish leafy lemon level light lilac lively local lofty lucid lucky lunar lush magenta magic \
    marble maroon mauve mellow mighty mild mint misty modern modest mossy motley musical neat \
    nifty nimble noble nutty oaken oblong odd olive open orange ornate paper patient peachy \
    pearl perky pink placid plain playful poetic polar polite prime proud prudent purple quaint \
    quick radiant rainy rapid rare ready regal rich robust rocky roomy round royal ruby rugged \
    rural russet rustic salty satin scarlet sepia serene shady shiny silent silky silver simple \
    sleek sleepy smart smooth snappy snowy solid sonic speedy spicy spiral sporty spruce square \
    stable starry steady steep sturdy subtle sugary sunny super swift tall tawny teal tepid \
    tidal tidy topaz trim tropic trusty twin unique upbeat urban useful velvet vintage violet \
    vital vivid warm wavy waxen wide windy winged wintry witty wooden woolly worthy zany zesty \
    zigzag zippy";

/// What stands second: things and animals.
const SECOND: &str = "\
    acorn album almond anchor apple apron arrow atlas attic badger bagel balloon bamboo banana \
    banjo barley barn basket beacon beaver beetle biscuit blanket blossom bonfire bottle boulder \
    breeze bridge brook bucket bumper bunker bushel button cabin cactus camel camera candle \
    canoe canvas canyon caravan carpet carrot castle cedar cello chair cherry chisel cider \
    cinema circus clock clover coconut comet compass condor cookie corner cotton coyote cradle \
    crane crater crayon cricket crocus cupcake custard cymbal daisy domino donut dragon drawer \
    drum eagle easel echo elbow engine falcon feather fennel ferry fiddle fiord flute forest \
    fossil galaxy garden garlic geyser gherkin ginger giraffe glacier glider goblet granite \
    grape gravel guitar hammock hamster harbor harp heron hiccup hickory honey hornet igloo \
    island jacket jaguar jigsaw juniper kayak kettle kiwi koala ladder lagoon lasagna laurel \
    leopard lizard llama lobster locket lotus magnet mango maple martini meadow medal melody \
    meteor mirror mitten mosaic muffin napkin narwhal needle noodle nutmeg oasis octopus orchid \
    origami osprey ostrich otter oyster paddle pagoda panda papaya parade parcel pastry pebble \
    pelican pencil penguin pepper petal piano picnic pigeon pillow planet plaza pollen pony \
    poppy potato pottery prairie pretzel prism pumpkin puppet puzzle pyramid quail quartz quilt \
    rabbit raccoon radish raisin raven reef ribbon river robin salmon sandal saucer scarf \
    seagull shadow sherbet shovel sled snail sofa spoon stadium statue stream sunset swallow \
    tapir teacup teapot temple thicket thimble thistle tiger timber toast tomato toolbox toucan \
    tractor trumpet tulip tundra tunnel turnip turtle unicorn valley vanilla violin waffle wagon \
    walnut walrus widget window wombat yacht yogurt zebra";

#[cfg(test)]
#[path = "phrase_tests.rs"]
mod tests;

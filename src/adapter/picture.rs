//! Draws pictures of numbers. The same description gives the same bytes: the font is part of the program, nothing is asked of the system.

use std::sync::LazyLock;

use plotters::chart::SeriesAnno;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::domain::plot::{Ends, Plot, PlotKind, PlotLine, number};

/// Largest picture in bytes: what is drawn here stays far below it.
pub const PICTURE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The name of the font here.
const FONT: &str = "sans-serif";
/// How many numbers stand along an axis: one on so many pixels.
const LABEL_PIXELS: (u32, u32) = (80, 40);
/// A stretch shorter than this part of its numbers is drawn as if it were longer: its marks would not differ.
const STRETCH_PART_MIN: f64 = 1e-9;
/// How high the name of a line is.
const NAME_PIXELS: usize = 18;
/// Most of a picture that is kept free for names.
const NAMES_PART_MAX: f64 = 0.6;
/// Colours that are told apart by people who see no red or no green, too (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(225, 225, 225);

/// The font, once for all pictures.
static FONT_READY: LazyLock<bool> = LazyLock::new(|| {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok()
});

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The drawing itself failed.
    #[error("a picture cannot be drawn: {0}")]
    Draw(String),
    /// It cannot be written as a file.
    #[error("a picture cannot be written: {0}")]
    Write(#[from] png::EncodingError),
}

/// Draws a picture; gives the bytes of a PNG file.
///
/// # Errors
/// [`Error`] if the font or the encoder refuses, which no description that was checked makes them do.
pub fn draw(plot: &Plot) -> Result<Vec<u8>, Error> {
    if !*FONT_READY {
        return Err(Error::Draw("the font of the program is not readable".into()));
    }
    let (width, height) = (plot.width, plot.height);
    let mut pixels = vec![0_u8; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        chart(plot, &area)?;
        area.present().map_err(failed)?;
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

fn failed(why: impl std::fmt::Display) -> Error {
    Error::Draw(why.to_string())
}

fn chart(plot: &Plot, area: &Area) -> Result<(), Error> {
    let (across, up) = plot.ends();
    let half = if plot.kind == PlotKind::Bars { 0.5 } else { 0.0 };
    let (left, right) = stretched((across.0 - half, across.1 + half), 0.0);
    let (low, high) = stretched(up, if plot.kind == PlotKind::Bars { 0.0 } else { 0.05 });
    let high = high + (high - low) * names_part(plot);
    let mut builder = ChartBuilder::on(area);
    builder.margin(10).set_label_area_size(LabelAreaPosition::Left, 52);
    builder.set_label_area_size(LabelAreaPosition::Bottom, if plot.x.is_empty() { 24 } else { 40 });
    if !plot.title.is_empty() {
        builder.caption(&plot.title, (FONT, 20).into_font().color(&INK));
    }
    let mut chart = builder.build_cartesian_2d(left..right, low..high).map_err(failed)?;
    let places = |at: &f64| place(plot, *at);
    let marks = match plot.places.len() {
        0 => (plot.width / LABEL_PIXELS.0) as usize,
        count => count.min((plot.width / LABEL_PIXELS.0) as usize * 2),
    };
    chart
        .configure_mesh()
        .x_labels(marks.max(2))
        .y_labels(((plot.height / LABEL_PIXELS.1) as usize).max(2))
        .x_label_formatter(&places)
        .y_label_formatter(&|value| number(*value))
        .x_desc(&plot.x)
        .y_desc(&plot.y)
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 14).into_font().color(&INK))
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .draw()
        .map_err(failed)?;
    for (nth, line) in plot.lines.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let drawn = match plot.kind {
            PlotKind::Lines => joined(&mut chart, line, colour)?,
            PlotKind::Points => {
                let dots = line.points.iter().map(|at| Circle::new(*at, 3, colour.filled()));
                chart.draw_series(dots).map_err(failed)?
            }
            PlotKind::Bars => {
                let bars = line.points.iter().map(|at| bar(*at, nth, plot.lines.len(), colour));
                chart.draw_series(bars).map_err(failed)?
            }
        };
        if !line.name.is_empty() {
            let sample = move |(x, y): (i32, i32)| {
                Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled())
            };
            drawn.label(&line.name).legend(sample);
        }
    }
    if plot.lines.iter().any(|line| !line.name.is_empty()) {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .margin(6)
            .legend_area_size(18)
            .background_style(WHITE.mix(0.85))
            .border_style(FAINT)
            .label_font((FONT, 13).into_font().color(&INK))
            .draw()
            .map_err(failed)?;
    }
    Ok(())
}

type Chart<'a, 'b> = ChartContext<
    'a,
    BitMapBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// Points that are joined; one that stands alone is a dot.
fn joined<'c, 'a, 'b>(
    chart: &'c mut Chart<'a, 'b>,
    line: &PlotLine,
    colour: RGBColor,
) -> Result<&'c mut SeriesAnno<'a, BitMapBackend<'b>>, Error> {
    let dot = if line.points.len() == 1 { 3 } else { 0 };
    let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
    chart.draw_series(series.point_size(dot)).map_err(failed)
}

/// A bar beside those of the other lines at the same place.
fn bar((x, y): (f64, f64), nth: usize, count: usize, colour: RGBColor) -> Rectangle<(f64, f64)> {
    let wide = 0.8 / count as f64;
    let left = x - 0.4 + wide * nth as f64;
    Rectangle::new([(left, 0.0), (left + wide, y)], colour.filled())
}

/// A stretch that can be drawn: wider by a part at both ends, and never so short that its marks do not differ.
fn stretched((low, high): Ends, part: f64) -> Ends {
    let size = low.abs().max(high.abs());
    let least = if size > 0.0 { size * STRETCH_PART_MIN } else { 0.0 };
    if high - low > least.max(f64::MIN_POSITIVE * 1e30) {
        let more = (high - low) * part;
        return (low - more, high + more);
    }
    let more = if size > 0.0 { size * 0.1 } else { 1.0 };
    (low - more, high + more)
}

/// How much higher the picture is for the names of its lines, so that they hide none of them.
fn names_part(plot: &Plot) -> f64 {
    let names = plot.lines.iter().filter(|line| !line.name.is_empty()).count();
    let pixels = if names == 0 { 0 } else { names * NAME_PIXELS + 2 * NAME_PIXELS / 3 };
    (pixels as f64 / f64::from(plot.height)).min(NAMES_PART_MAX)
}

/// What stands at a place along: its name, or its number.
fn place(plot: &Plot, at: f64) -> String {
    if plot.places.is_empty() {
        return number(at);
    }
    let whole = (at - at.round()).abs() < 1e-6 && at >= -0.5;
    let name = whole.then(|| plot.places.get(at.round() as usize)).flatten();
    name.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plot::{PLOT_HEIGHT_MAX, PLOT_WIDTH_MAX};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn plot(described: &Value) -> Plot {
        Plot::read(described).expect("it is right")
    }

    /// The size of a picture, and how many of its pixels are not white.
    fn looked_at(bytes: &[u8]) -> (u32, u32, usize) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        let inked = pixels.chunks(3).filter(|pixel| *pixel != [255, 255, 255]).count();
        (info.width, info.height, inked)
    }

    #[test]
    fn a_picture_has_its_size_and_shows_something() {
        let two =
            json!([{ "name": "in", "values": [1, 5, 3] }, { "name": "out", "values": [2, 2, 9] }]);
        for kind in ["lines", "points", "bars"] {
            let described = json!({ "title": "Requests", "x": ["a", "b", "c"], "y": "1/s", "kind": kind, "lines": two });
            let bytes = draw(&plot(&described)).expect("it is drawn");
            let (width, height, inked) = looked_at(&bytes);
            assert_eq!((width, height), (640, 320), "{kind}");
            assert!(inked > 2_000, "{kind}: {inked}");
            assert_eq!(bytes, draw(&plot(&described)).expect("it is drawn again"), "{kind}");
        }
    }

    #[test]
    fn a_line_that_differs_is_another_picture() {
        let drawn = |last: i32| draw(&plot(&json!({ "lines": [[1, 2, last]] }))).expect("drawn");
        assert_ne!(drawn(3), drawn(4));
    }

    #[test]
    fn the_largest_picture_is_below_the_bound() {
        let noise: Vec<u64> = (0..2_000_u64).map(|n| n * 7_919 % 1_000).collect();
        let described =
            json!({ "width": PLOT_WIDTH_MAX, "height": PLOT_HEIGHT_MAX, "lines": [noise] });
        let bytes = draw(&plot(&described)).expect("it is drawn");
        assert!(bytes.len() < PICTURE_BYTES_MAX / 2, "{}", bytes.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn any_numbers_are_drawn(
            values in proptest::collection::vec(prop_oneof![
                -1e15..1e15,
                Just(0.0),
                Just(1e15),
                Just(999_999_999_999_999.9),
                -1e-300..1e-300,
            ], 1..6),
            kind in prop_oneof![Just("lines"), Just("points"), Just("bars")],
        ) {
            let points: Vec<_> = values.iter().map(|value| json!([value, value])).collect();
            let described = json!({ "kind": kind, "lines": [{ "points": points }, values] });
            let drawn = draw(&plot(&described));
            prop_assert!(drawn.is_ok(), "{drawn:?}");
        }
    }
}

//! The report's drawings.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, IntoDrawingArea, IntoLogRange, LineSeries, PathElement,
    RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};
use plotters::series::PointSeries;

use super::Report;
use crate::Stack;
use crate::random::Drawn;
use crate::sweep::Point;

const SIZE: (u32, u32) = (760, 460);
const RATE: &str = "relay, octets a second";
/// Requests that take longer are drawn as if they took this.
const PING_MAX_MS: f64 = 60_000.0;

impl Report {
    /// Names of files, and what is in them.
    pub(super) fn plots(&self) -> [(&'static str, String); 3] {
        let goodput = |point: &Point| point.utilisation;
        let ping = |point: &Point| point.p95_ms.min(PING_MAX_MS);
        let pings = (150.0..PING_MAX_MS).log_scale();
        let (low, high) = (SeriesLabelPosition::LowerLeft, SeriesLabelPosition::UpperRight);
        let carried = ("goodput / relay", low);
        let waited = ("p95 of a request beside bulk, ms", high);
        [
            ("goodput.svg", curves(&self.points, carried, 0.0..1.0, goodput)),
            ("ping.svg", curves(&self.points, waited, pings, ping)),
            ("links.svg", scatter(&self.links)),
        ]
    }
}

const fn colour(stack: Stack) -> RGBColor {
    match stack {
        Stack::Ours => RGBColor(200, 30, 30),
        Stack::Oracle => RGBColor(120, 120, 120),
        Stack::QuinnCubic => RGBColor(30, 90, 180),
        Stack::QuinnBbr => RGBColor(60, 170, 210),
        Stack::KcpDefault => RGBColor(40, 140, 60),
        Stack::KcpTurbo => RGBColor(170, 150, 30),
    }
}

/// What cannot be drawn into a string is a fault of this program.
const DRAWN: &str = "drawing into a string does not fail";

/// One line for each stack, over the rate.
fn curves<Y>(
    points: &[Point],
    (what, place): (&str, SeriesLabelPosition),
    range: Y,
    of: fn(&Point) -> f64,
) -> String
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, SIZE).into_drawing_area();
        area.fill(&WHITE).expect(DRAWN);
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((400.0..1.2e6).log_scale(), range)
            .expect(DRAWN);
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(WHITE).x_desc(RATE).y_desc(what);
        mesh.x_label_formatter(&|rate| format!("{rate:.0}")).draw().expect(DRAWN);
        for stack in Stack::ALL {
            let line = points.iter().filter(|point| point.stack == stack);
            let line = line.map(|point| (point.rate, of(point)));
            let style = colour(stack).stroke_width(if stack == Stack::Ours { 3 } else { 1 });
            chart
                .draw_series(LineSeries::new(line, style))
                .expect(DRAWN)
                .label(stack.name())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        let mut labels = chart.configure_series_labels();
        labels.background_style(WHITE.mix(0.8)).border_style(BLACK);
        labels.position(place).draw().expect(DRAWN);
        area.present().expect(DRAWN);
    }
    out
}

/// Ours / the oracle's over the rate, by kind of relay.
fn scatter(links: &[Drawn]) -> String {
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, SIZE).into_drawing_area();
        area.fill(&WHITE).expect(DRAWN);
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((400.0..1.2e7).log_scale(), 0.0..1.4)
            .expect(DRAWN);
        let mut mesh = chart.configure_mesh();
        let what = "goodput / the oracle's";
        mesh.light_line_style(WHITE).x_desc(RATE).y_desc(what);
        mesh.x_label_formatter(&|rate| format!("{rate:.0}")).draw().expect(DRAWN);
        for (kind, is_policed, colour) in
            [("shapers", false, colour(Stack::QuinnCubic)), ("policers", true, colour(Stack::Ours))]
        {
            let of_kind = links.iter().filter(|link| link.is_policed == is_policed);
            let dots = of_kind.filter_map(|link| Some((link.rate, link.relative()?.min(1.4))));
            chart
                .draw_series(PointSeries::of_element(
                    dots,
                    3,
                    colour.filled(),
                    &|at, size, style| Circle::new(at, size, style),
                ))
                .expect(DRAWN)
                .label(kind)
                .legend(move |(x, y)| Circle::new((x + 8, y), 3, colour.filled()));
        }
        let mut labels = chart.configure_series_labels();
        labels.background_style(WHITE.mix(0.8)).border_style(BLACK);
        labels.position(SeriesLabelPosition::LowerLeft).draw().expect(DRAWN);
        area.present().expect(DRAWN);
    }
    out
}

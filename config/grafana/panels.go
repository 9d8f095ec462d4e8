package grafana

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// A row is a heading with its panels.
type row struct {
	title  string
	closed bool // it is opened with a click, and its queries are made only then
	panels []panel
}

// kind is how a panel shows its series.
type kind string

const (
	number    kind = "stat"           // the last value
	lines     kind = "timeseries"     // one line for each series
	bars      kind = "bars"           // bars on top of each other, for series that are often 0
	areas     kind = "areas"          // areas on top of each other, whose sum has a meaning
	heat      kind = "heatmap"        // a histogram over time
	states    kind = "state-timeline" // a value with a word, over time
	rowsNow   kind = "table"          // the last values, one row for each series
	columns        = 24               // of the grid
	narrow         = 4                // columns of a number
	lowPanel       = 4                // height of a number
	panelHigh      = 8                // height of all others, if they do not say
)

// A panel is one row of the tables.
type panel struct {
	kind    kind
	title   string
	help    string // the description, in sentences
	unit    string // as Grafana names it
	width   uint32 // in columns; narrow for a number, and else a third
	height  uint32
	queries []query
	steps   []step          // colors from a value on, which begin with green; none for no colors
	words   map[string]word // shown instead of values
	none    string          // shown if there is no series
	alert   string          // whose section of the runbook is linked
	page    string          // below cmd, if another one is linked
	columns []column        // of a table, in their order
	colors  []string        // pairs of a legend and its color
	limit   string          // legend of the series that is a limit: a line that is not stacked
}

// A query is an expression of PromQL in which {@ stands for a selector of the job and the
// replicas, and {@@ for one of these and the platform endpoints.
type query struct {
	expr      string
	legend    string
	exemplars bool // show those of the series
}

// step is a color from a value on.
type step struct {
	from  float64
	color string
}

// lowest is the value from which a first step replaces green.
const lowest = -math.MaxFloat64

// word is a text with a color.
type word struct{ text, color string }

// column is a column of a table: a label, or "Value #A" for the first query.
type column struct {
	field, title string
	unit         string
	words        map[string]word
	steps        []step
}

// The words of gauges that are 1 or 0, where 1 is good, where 1 is bad, and where it is only
// worth knowing.
func goodIfOne(one, zero string) map[string]word {
	return map[string]word{"1": {one, "green"}, "0": {zero, "red"}}
}

func badIfOne(one, zero, color string) map[string]word {
	return map[string]word{"1": {one, color}, "0": {zero, "green"}}
}

var (
	replicas  = `job="$job",instance=~"$instance"`
	endpoints = replicas + `,platform_endpoint=~"$platform_endpoint"`
)

// selected returns an expression with its selectors.
func selected(expr string) string {
	return strings.NewReplacer("{@@", "{"+endpoints, "{@", "{"+replicas).Replace(expr)
}

// quantile returns the expression of a quantile of a histogram: of the native one where it
// is scraped, and else of the buckets. by are labels.
func quantile(q, metric, selector string, by ...string) string {
	grouped := ""
	if len(by) > 0 {
		grouped = " by (" + strings.Join(by, ", ") + ")"
	}
	return fmt.Sprintf(`histogram_quantile(%[1]s, sum%[4]s (rate(%[2]s%[3]s[$__rate_interval]))) or histogram_quantile(%[1]s, sum by (%[5]s) (rate(%[2]s_bucket%[3]s[$__rate_interval])))`,
		q, metric, selector, grouped, strings.Join(append(by, "le"), ", "))
}

// distribution returns the expression of a heatmap of a histogram: the buckets where they
// are scraped, and else the native one.
func distribution(metric, selector string) string {
	return fmt.Sprintf(`sum by (le) (increase(%[1]s_bucket%[2]s[$__rate_interval])) or (sum(increase(%[1]s%[2]s[$__rate_interval])) unless on () sum(increase(%[1]s_bucket%[2]s[$__rate_interval])))`, metric, selector)
}

// layout places the panels of rows from left to right. A panel that has no room left in a
// line begins the next one.
func layout(rows []row) ([]dashboard.PanelOrRowPanel, error) {
	var placed []dashboard.PanelOrRowPanel
	var id, y uint32
	for _, r := range rows {
		id++
		heading := dashboard.NewRowPanel()
		heading.Title, heading.Id, heading.Collapsed = new(r.title), id, r.closed
		heading.GridPos = &dashboard.GridPos{H: 1, W: columns, Y: y}
		heading.Panels = []dashboard.Panel{}
		y++
		placed = append(placed, dashboard.PanelOrRowPanel{RowPanel: heading})
		var x, high uint32
		for _, p := range r.panels {
			id++
			made, err := p.make(id)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.title, err)
			}
			if x+made.GridPos.W > columns {
				x, y, high = 0, y+high, 0
			}
			made.GridPos.X, made.GridPos.Y = x, y
			x, high = x+made.GridPos.W, max(high, made.GridPos.H)
			if r.closed {
				heading.Panels = append(heading.Panels, *made)
			} else {
				placed = append(placed, dashboard.PanelOrRowPanel{Panel: made})
			}
		}
		y += high
	}
	return placed, nil
}

// make returns the panel without its place.
func (p panel) make(id uint32) (*dashboard.Panel, error) {
	made := dashboard.NewPanel()
	made.Id, made.Title, made.Description = &id, new(p.title), new(p.help)
	made.Transparent, made.RepeatDirection = nil, nil
	made.Datasource = source()
	made.GridPos = &dashboard.GridPos{W: cmp.Or(p.width, columns/3), H: cmp.Or(p.height, panelHigh)}
	made.Targets = p.targets()
	if p.alert != "" {
		p.page = alertsPage + "#" + strings.ToLower(p.alert)
	}
	if p.page != "" {
		made.Links = []dashboard.DashboardLink{link("Runbook", "What to look at, and what to do.", p.page)}
	}
	config := dashboard.NewFieldConfigSource()
	config.Overrides = []dashboard.DashboardFieldConfigSourceOverrides{}
	config.Defaults.Unit = new(p.unit)
	config.Defaults.Thresholds = thresholds(p.steps)
	config.Defaults.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdPaletteClassic}
	if p.hasColors() {
		config.Defaults.Color.Mode = dashboard.FieldColorModeIdThresholds
	}
	for pair := range slices.Chunk(p.colors, 2) {
		config.Overrides = append(config.Overrides, override(pair[0], "color", map[string]any{"mode": "fixed", "fixedColor": pair[1]}))
	}
	if p.limit != "" {
		config.Overrides = append(config.Overrides, override(p.limit,
			"custom.stacking", map[string]any{"mode": "none"}, "custom.fillOpacity", 0,
			"custom.lineStyle", map[string]any{"fill": "dash"}, "color", map[string]any{"mode": "fixed", "fixedColor": "red"}))
	}
	if p.words != nil {
		config.Defaults.Mappings = mappings(p.words)
	}
	if p.none != "" {
		config.Defaults.NoValue = new(p.none)
		if p.kind == number {
			config.Defaults.Mappings = append(config.Defaults.Mappings, forNone(p.none))
		}
	}
	made.FieldConfig = config
	return made, p.show(made)
}

// hasColors reports whether the value decides about the color, and not the series.
func (p panel) hasColors() bool {
	return (p.kind == number || p.kind == states) && (len(p.steps) > 0 || len(p.words) > 0)
}

// override returns properties, pairs of a name and a value, for the series or column with a
// name.
func override(name string, properties ...any) dashboard.DashboardFieldConfigSourceOverrides {
	o := dashboard.DashboardFieldConfigSourceOverrides{Matcher: dashboard.MatcherConfig{Id: "byName", Options: name}}
	for pair := range slices.Chunk(properties, 2) {
		o.Properties = append(o.Properties, dashboard.DynamicConfigValue{Id: fmt.Sprint(pair[0]), Value: pair[1]})
	}
	return o
}

// targets returns the queries. Numbers and tables need only the last value.
func (p panel) targets() []variants.Dataquery {
	var targets []variants.Dataquery
	for i, q := range p.queries {
		t := prometheus.NewDataquery()
		t.Datasource = source()
		t.RefId = new(string(rune('A' + i)))
		t.Expr = selected(q.expr)
		t.EditorMode = new(prometheus.QueryEditorModeCode)
		switch p.kind {
		case rowsNow:
			t.Instant, t.Range, t.Format = new(true), new(false), new(prometheus.PromQueryFormatTable)
		case number:
			t.Instant, t.Range = new(true), new(false)
		case heat:
			t.Instant, t.Range, t.Format = new(false), new(true), new(prometheus.PromQueryFormatHeatmap)
		default:
			t.Instant, t.Range = new(false), new(true)
		}
		if q.legend != "" {
			t.LegendFormat = new(q.legend)
		}
		if q.exemplars {
			t.Exemplar = new(true)
		}
		targets = append(targets, t)
	}
	return targets
}

// show sets what depends on the kind of the panel.
func (p panel) show(made *dashboard.Panel) error {
	made.Type = string(p.kind)
	defaults := &made.FieldConfig.Defaults
	switch p.kind {
	case number:
		made.GridPos.W, made.GridPos.H = cmp.Or(p.width, narrow), cmp.Or(p.height, lowPanel)
		made.Options = p.numberOptions()
	case lines, bars, areas:
		made.Type = string(lines)
		made.Options, defaults.Custom = timeOptions(), p.drawn()
		defaults.Min = new(0.0)
	case heat:
		made.Options = p.heatOptions()
		defaults.Custom = heatmap.FieldConfig{}
	case states:
		options := statetimeline.NewOptions()
		options.ShowValue, options.Legend.ShowLegend = common.VisibilityModeNever, true
		options.Legend.DisplayMode, options.Legend.Placement, options.Legend.Calcs = common.LegendDisplayModeList, common.LegendPlacementBottom, []string{}
		options.Tooltip.Mode, options.Tooltip.Sort = common.TooltipDisplayModeSingle, common.SortOrderNone
		made.Options, defaults.Custom = options, statetimeline.FieldConfig{FillOpacity: new(uint32(70)), LineWidth: new(uint32(0))}
	case rowsNow:
		made.Options = tableOptions(p.columns)
		made.Transformations = p.join()
		for _, c := range p.columns {
			made.FieldConfig.Overrides = append(made.FieldConfig.Overrides, c.overrides()...)
		}
	default:
		return fmt.Errorf("unknown kind %q", p.kind)
	}
	return nil
}

func (p panel) numberOptions() *stat.Options {
	o := stat.NewOptions()
	o.GraphMode, o.ColorMode = common.BigValueGraphModeNone, common.BigValueColorModeValue
	if p.hasColors() {
		o.ColorMode = common.BigValueColorModeBackground
	}
	if p.queries[0].legend != "" {
		o.TextMode = common.BigValueTextModeValueAndName
	}
	o.ReduceOptions.Calcs = []string{"lastNotNull"}
	o.Orientation = common.VizOrientationAuto
	return o
}

func timeOptions() *timeseries.Options {
	o := timeseries.NewOptions()
	o.Legend = common.VizLegendOptions{
		DisplayMode: common.LegendDisplayModeTable, Placement: common.LegendPlacementBottom, ShowLegend: true,
		Calcs: []string{"lastNotNull", "max"}, SortBy: new("Max"), SortDesc: new(true),
	}
	o.Tooltip.Mode, o.Tooltip.Sort = common.TooltipDisplayModeMulti, common.SortOrderDescending
	return o
}

// drawn returns how lines, bars or areas are drawn.
func (p panel) drawn() *timeseries.FieldConfig {
	c := timeseries.NewFieldConfig()
	c.DrawStyle, c.LineWidth, c.FillOpacity = new(common.GraphDrawStyleLine), new(1.0), new(5.0)
	c.ShowPoints = new(common.VisibilityModeNever)
	switch p.kind {
	case bars:
		c.DrawStyle, c.FillOpacity = new(common.GraphDrawStyleBars), new(70.0)
		c.Stacking = &common.StackingConfig{Mode: new(common.StackingModeNormal)}
	case areas:
		c.FillOpacity = new(40.0)
		c.Stacking = &common.StackingConfig{Mode: new(common.StackingModeNormal)}
	}
	if len(p.steps) > 0 {
		c.ThresholdsStyle = &common.GraphThresholdsStyleConfig{Mode: common.GraphThresholdsStyleModeDashed}
	}
	return c
}

func (p panel) heatOptions() *heatmap.Options {
	o := heatmap.NewOptions()
	o.Calculate = new(false)
	o.Color = heatmap.HeatmapColorOptions{
		Mode: new(heatmap.HeatmapColorModeScheme), Scheme: "Oranges", Fill: "dark-orange", Exponent: 0.5, Steps: 64,
		Scale: new(heatmap.HeatmapColorScaleExponential),
	}
	o.YAxis.Unit = new(p.unit)
	o.CellValues = &heatmap.CellValues{Unit: new("short")}
	o.FilterValues = &heatmap.FilterValueRange{Le: new(float32(1e-9))} // the empty buckets
	o.Tooltip.Mode, o.Tooltip.YHistogram, o.Tooltip.ShowColorScale = common.TooltipDisplayModeSingle, new(true), new(true)
	o.Exemplars.Color = "rgba(255,0,255,0.7)"
	o.ShowValue = common.VisibilityModeNever
	o.Legend.Show = true
	return o
}

func tableOptions(columns []column) *table.Options {
	o := table.NewOptions()
	o.ShowHeader, o.Footer = true, nil
	o.SortBy = []common.TableSortByFieldState{{DisplayName: columns[0].title, Desc: new(false)}}
	return o
}

// join makes one table of the results of all queries, with the columns in their order.
func (p panel) join() []dashboard.DataTransformerConfig {
	order, names := map[string]any{}, map[string]any{}
	for i, c := range p.columns {
		order[c.field], names[c.field] = i, c.title
	}
	return []dashboard.DataTransformerConfig{
		{Id: "merge", Options: map[string]any{}},
		{Id: "organize", Options: map[string]any{"indexByName": order, "renameByName": names, "excludeByName": map[string]any{"Time": true}}},
	}
}

// overrides returns the unit, words and colors of a column.
func (c column) overrides() []dashboard.DashboardFieldConfigSourceOverrides {
	var properties []any
	if c.unit != "" {
		properties = append(properties, "unit", c.unit)
	}
	if c.words != nil {
		properties = append(properties, "mappings", mappings(c.words))
	}
	if c.steps != nil {
		properties = append(properties, "thresholds", thresholds(c.steps), "color", map[string]any{"mode": "thresholds"},
			"custom.cellOptions", map[string]any{"type": "color-text"})
	}
	if properties == nil {
		return nil
	}
	return []dashboard.DashboardFieldConfigSourceOverrides{override(c.title, properties...)}
}

// thresholds returns green, and the colors of steps.
func thresholds(steps []step) *dashboard.ThresholdsConfig {
	t := dashboard.NewThresholdsConfig()
	t.Mode = dashboard.ThresholdsModeAbsolute
	t.Steps = []dashboard.Threshold{{Color: "green"}}
	for _, s := range steps {
		if s.from == lowest {
			t.Steps[0].Color = s.color
			continue
		}
		t.Steps = append(t.Steps, dashboard.Threshold{Value: new(s.from), Color: s.color})
	}
	return t
}

// mappings returns words in the order of their values.
func mappings(words map[string]word) []dashboard.ValueMapping {
	m := dashboard.NewValueMap()
	m.Options = map[string]dashboard.ValueMappingResult{}
	for i, value := range slices.SortedFunc(maps.Keys(words), byNumber) {
		m.Options[value] = dashboard.ValueMappingResult{Text: new(words[value].text), Color: new(words[value].color), Index: new(int32(i))}
	}
	return []dashboard.ValueMapping{{ValueMap: m}}
}

// forNone returns the word for no value, which would have the color of the lowest one.
func forNone(text string) dashboard.ValueMapping {
	m := dashboard.NewSpecialValueMap()
	m.Options.Match = dashboard.SpecialValueMatchNull
	m.Options.Result = dashboard.ValueMappingResult{Text: &text, Color: new("green")}
	return dashboard.ValueMapping{SpecialValueMap: m}
}

func byNumber(a, b string) int {
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	return cmp.Compare(x, y)
}

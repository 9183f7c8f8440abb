"""The parts of dashboards. Every panel needs a unit, a description and a text for no data."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# The statuses of a tunnel, in the order that tables have.
RANKS = {"down": 1, "unknown": 2, "idle": 3, "pending": 4, "deleting": 5, "up": 6}
COLORS = {"down": "red", "unknown": "orange", "idle": "blue", "pending": "light-blue", "deleting": "purple", "up": "green"}

# The status of a tunnel as a number: the rank plus 10, or the rank alone while the target fails.
STATES = {
    **{10 + rank: (name.capitalize(), COLORS[name]) for name, rank in RANKS.items()},
    **{rank: (f"{name.capitalize()}, last known", f"semi-dark-{COLORS[name].removeprefix('light-')}")
       for name, rank in RANKS.items()},
}

# The statuses of a gateway, in the order that tables have. The first that applies is the status.
GATEWAY_RANKS = {"isolated": 1, "address blocked": 2, "error": 3, "unknown": 4, "pending": 5, "deleting": 6, "available": 7}
GATEWAY_STATES = {
    GATEWAY_RANKS[name]: (name.capitalize(), color) for name, color in {
        "isolated": "red", "address blocked": "red", "error": "dark-orange", "unknown": "orange", "pending": "light-blue",
        "deleting": "purple", "available": "green"}.items()
}

# Whether polls or listings of gateways work, beside other states.
LISTING = {0: ("Failing", "dark-orange"), 1: ("Working", "green")}

# Column properties: no column, only a value that links of other columns use.
HIDDEN = [{"id": "custom.hidden", "value": True}]


def mapping(values):
    """A value mapping from numbers to texts and colours."""
    options = {
        str(value): {"text": text, "color": color, "index": index} for index, (value, (text, color)) in enumerate(values.items())
    }
    return [{"type": "value", "options": options}]


def thresholds(*steps):
    """Colours by value: the first below all steps, each other one from its value upwards."""
    (base, *rest) = steps
    return {"mode": "absolute", "steps": [{"color": base, "value": None}] + [{"color": c, "value": v} for v, c in rest]}


def query(expr, legend="", instant=False, table=False):
    """One query of a panel."""
    return {
        "datasource": DATASOURCE,
        "expr": expr,
        "legendFormat": legend or "__auto",
        "instant": instant or table,
        "range": not (instant or table),
        "format": "table" if table else "time_series",
    }


def panel(kind, title, queries, *, description, unit, no_data, width=12, height=8, defaults=None, options=None,
          overrides=None, transformations=None):
    """One panel, without its position."""
    targets = [{**one, "refId": chr(ord("A") + index)} for index, one in enumerate(queries)]
    made = {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": targets,
        "fieldConfig": {
            "defaults": {"unit": unit, "noValue": no_data, **(defaults or {})},
            "overrides": overrides or [],
        },
        "options": options or {},
    }
    if transformations:
        made["transformations"] = transformations
    return made


def stat(title, expr, *, color="text", steps=None, values=None, text="auto", width=4, height=4, legend="", **rest):
    """The current value as a number."""
    defaults = {"color": {"mode": "thresholds"}, "thresholds": thresholds(*(steps or [color]))}
    if values:
        defaults["mappings"] = mapping(values)
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background_solid" if values else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": text,
        "wideLayout": True,
    }
    return panel("stat", title, [query(expr, legend, instant=True)], width=width, height=height, defaults=defaults,
                 options=options, **rest)


def graph(title, queries, *, stacked=False, bars=False, colors=None, dashed=(), limit=None, scale=None, **rest):
    """Lines or bars over time. The queries in `dashed` have dashed lines. A line marks the limit; the axis reaches the scale."""
    custom = {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 1,
        "fillOpacity": 60 if bars else (30 if stacked else 0),
        "showPoints": "never",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    defaults = {"custom": custom, "min": 0}
    if scale is not None:
        custom["axisSoftMax"] = scale
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        defaults["thresholds"] = thresholds("transparent", (limit, "orange"))
    overrides = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for name, color in (colors or {}).items()
    ]
    overrides += [
        {
            "matcher": {"id": "byFrameRefID", "options": ref},
            "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}],
        }
        for ref in dashed
    ]
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, queries, defaults=defaults, options=options, overrides=overrides, **rest)


def bar_gauge(title, expr, legend, *, steps, most=None, decimals=None, **rest):
    """The current values as bars."""
    defaults = {"min": 0, "color": {"mode": "thresholds"}, "thresholds": thresholds(*steps)}
    if most is not None:
        defaults["max"] = most
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "displayMode": "basic", "orientation": "horizontal", "showUnfilled": most is not None, "valueMode": "text",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel("bargauge", title, [query(expr, legend, instant=True)], defaults=defaults, options=options, **rest)


def timeline(title, queries, values, *, per_page=25, **rest):
    """States over time, a row each."""
    defaults = {
        "mappings": mapping(values),
        "color": {"mode": "thresholds"},
        "thresholds": thresholds("text"),
        "custom": {"lineWidth": 0, "fillOpacity": 80},
    }
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.8,
        "perPage": per_page,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel("state-timeline", title, queries, unit="none", defaults=defaults, options=options, **rest)


def table(title, queries, columns, *, sort=None, properties=None, **rest):
    """A table of the labels and values of instant queries: only these columns, in this order, under these names."""
    wanted = list(columns)
    transformations = [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": wanted}}},
        {
            "id": "organize",
            "options": {"indexByName": {name: index for index, name in enumerate(wanted)}, "renameByName": columns},
        },
    ]
    overrides = [
        # Without this, an empty cell shows the panel's text for no data.
        {"matcher": {"id": "byRegexp", "options": "/.*/"}, "properties": empty("")},
        *({"matcher": {"id": "byName", "options": name}, "properties": settings} for name, settings in (properties or {}).items()),
    ]
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": name, "desc": descending} for name, descending in (sort or {}).items()],
    }
    defaults = {"custom": {"align": "left", "filterable": True}}
    return panel("table", title, queries, unit="none", width=rest.pop("width", 24), defaults=defaults, options=options,
                 overrides=overrides, transformations=transformations, **rest)


def row(title):
    """A heading for the panels after it."""
    return {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": 24, "h": 1}, "panels": []}


def colored(values):
    """Column properties: a number shown as its state."""
    return [
        {"id": "mappings", "value": mapping(values)},
        {"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}},
    ]


def worded(values):
    """Column properties: values shown as texts."""
    options = {str(value): {"text": text, "index": index} for index, (value, text) in enumerate(values.items())}
    return [{"id": "mappings", "value": [{"type": "value", "options": options}]}]


def linked(*links):
    """Column properties: the cell links to URLs, each with a title. Several open a menu."""
    return [{"id": "links", "value": [{"title": title, "url": url, "targetBlank": False} for title, url in links]}]


def link(title, name, **variables):
    """A link to a dashboard, with the selected time. Each variable takes the value of a column in the same row."""
    chosen = "".join(f'&var-{variable}=${{__data.fields["{column}"]}}' for variable, column in variables.items())
    return title, f"/d/tencentcloud-vpn-{name}?var-datasource=${{datasource}}{chosen}&${{__url_time_range}}"


# The links of tables that have these columns.
TUNNEL_LINK = linked(link("Show this tunnel", "tunnel", tunnel="Id"))
GATEWAY_LINK = linked(
    link("Show this gateway", "gateways", account="Account", region="Region", gateway="Gateway id"),
    link("Show only its tunnels", "overview", account="Account", region="Region", gateway="Gateway id"),
)


def measured(unit):
    """Column properties: the number's unit."""
    return [{"id": "unit", "value": unit}]


def wide(pixels):
    """Column properties: the width."""
    return [{"id": "custom.width", "value": pixels}]


def empty(text):
    """Column properties: the text of a cell without a value."""
    return [{"id": "noValue", "value": text}]


def variable(name, label, expr, *, multi=True, regex=""):
    """A variable with values from Prometheus."""
    chosen = {"current": {"text": ["All"], "value": ["$__all"]}, "includeAll": True, "allValue": ".*"} if multi else {}
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": {"query": expr, "refId": f"variable-{name}"},
        "regex": regex,
        "refresh": 2,
        "sort": 1,
        "multi": multi,
        **chosen,
    }


def hidden_variable(name, label, expr, regex):
    """A variable that only queries use: all values at once. It has no `allValue`, so that without values it matches nothing."""
    made = variable(name, label, expr, regex=regex)
    del made["allValue"]
    return {**made, "hide": 2, "skipUrlSync": True}


def alert_annotation(name, alerts, color):
    """Marks on the time axis while one of these alerts fires."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": f'ALERTS{{alertname=~"{alerts}",alertstate="firing",account=~"$account",region=~"$region"}}',
    }


def dashboard(name, title, description, variables, annotations, panels):
    """A dashboard with its panels laid out from left to right in rows of 24."""
    choices = [{"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}]
    return {
        "uid": f"tencentcloud-vpn-{name}",
        "title": title,
        "description": description,
        "tags": ["tencentcloud-vpn"],
        "timezone": "browser",
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "schemaVersion": 41,
        "templating": {"list": choices + variables},
        "annotations": {"list": annotations},
        "links": [
            {
                "type": "dashboards",
                "title": "VPN tunnels",
                "tags": ["tencentcloud-vpn"],
                "asDropdown": False,
                "icon": "external link",
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "tooltip": "",
                "url": "",
            }
        ],
        "panels": laid_out(panels),
    }


def laid_out(panels):
    """The panels, each with an id and a position."""
    x = y = height = 0
    placed = []
    for number, one in enumerate(panels, start=1):
        place = one["gridPos"]
        if x + place["w"] > 24:
            x, y, height = 0, y + height, 0
        placed.append({**one, "id": number, "gridPos": {"x": x, "y": y, **place}})
        x, height = x + place["w"], max(height, place["h"])
    return placed

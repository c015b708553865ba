{{/* Images of another line of Flower. Takes a map from values paths to tags. */}}
{{- define "CHART.check.tags" -}}
{{- range $path, $tag := . }}
{{- $line := regexFind "^v?[0-9]+\\.[0-9]+" $tag | trimPrefix "v" }}
{{- if and $line (ne $line "1.41") }}
{{ $path }}: {{ $tag }} is Flower {{ $line }}, but this chart is for Flower 1.41 (>=1.41 <1.42); take a 1.41 image, or a release of the chart for that line
{{- end }}
{{- end }}
{{- end -}}

{{/* Arguments that the chart sets itself. Takes (list path arguments own). */}}
{{- define "CHART.check.flags" -}}
{{- $path := index . 0 }}
{{- $own := index . 2 }}
{{- range $argument := index . 1 }}
{{- $flag := first (splitList "=" $argument) }}
{{- if has $flag $own }}
{{ $path }}: {{ $flag }} is set by the chart; leave it out
{{- else if hasPrefix "--" $flag }}
{{- range $full := $own }}
{{- /* argparse takes any beginning of a flag for the flag. */}}
{{- if hasPrefix $flag $full }}
{{ $path }}: {{ $flag }} abbreviates {{ $full }}, which is set by the chart; leave it out
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

"""Results in genome browsers: a local page with igv.js, UCSC track hubs and IGV sessions."""

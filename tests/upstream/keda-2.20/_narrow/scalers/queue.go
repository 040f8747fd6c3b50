package scalers

// externalMetricType is defined beside another scaler.
const externalMetricType = "External"

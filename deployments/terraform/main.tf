# The stream of one destination, its key, and what the process may do: nothing else.

resource "aws_kms_key" "stream" {
  description             = "Records of the Kinesis stream ${var.stream_name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = var.tags
}

resource "aws_kinesis_stream" "this" {
  name             = var.stream_name
  shard_count      = var.shard_count
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = aws_kms_key.stream.arn
  tags             = var.tags

  stream_mode_details {
    stream_mode = var.shard_count == null ? "ON_DEMAND" : "PROVISIONED"
  }
}

data "aws_iam_policy_document" "put" {
  statement {
    sid       = "PutAndWatchTheStream"
    actions   = ["kinesis:PutRecords", "kinesis:DescribeStreamSummary", "kinesis:ListShards"]
    resources = [aws_kinesis_stream.this.arn]
  }

  statement {
    sid       = "EncryptWhatIsPut"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.stream.arn]
  }
}

resource "aws_iam_policy" "put" {
  name        = "kinesis-destination-${var.stream_name}"
  description = "Put records on the stream ${var.stream_name}"
  policy      = data.aws_iam_policy_document.put.json
  tags        = var.tags
}

# The control plane lists the account's streams where a connection is made, to choose one
# from; AWS has no narrower resource for it. The test passes without, and says what is missing.
data "aws_iam_policy_document" "list" {
  statement {
    sid       = "ListStreams"
    actions   = ["kinesis:ListStreams"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "list" {
  count       = var.list_streams ? 1 : 0
  name        = "kinesis-destination-${var.stream_name}-list"
  description = "List streams, for the control plane's test of a connection"
  policy      = data.aws_iam_policy_document.list.json
  tags        = var.tags
}

locals {
  # Of arn:aws:iam::123456789012:oidc-provider/HOST/PATH, what follows the first slash.
  oidc_issuer = var.oidc_provider_arn == "" ? "" : join("/", slice(split("/", var.oidc_provider_arn), 1, length(split("/", var.oidc_provider_arn))))
}

data "aws_iam_policy_document" "assume" {
  count = var.oidc_provider_arn == "" ? 0 : 1

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.oidc_issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.oidc_issuer}:sub"
      values   = [for account in var.service_accounts : "system:serviceaccount:${account}"]
    }
  }
}

resource "aws_iam_role" "this" {
  count              = var.oidc_provider_arn == "" ? 0 : 1
  name               = "kinesis-destination-${var.stream_name}"
  assume_role_policy = data.aws_iam_policy_document.assume[0].json
  tags               = var.tags

  lifecycle {
    precondition {
      condition     = length(var.service_accounts) > 0
      error_message = "Name the service_accounts that may assume the role."
    }
  }
}

resource "aws_iam_role_policy_attachment" "put" {
  count      = var.oidc_provider_arn == "" ? 0 : 1
  role       = aws_iam_role.this[0].name
  policy_arn = aws_iam_policy.put.arn
}

resource "aws_iam_role_policy_attachment" "list" {
  count      = var.oidc_provider_arn != "" && var.list_streams ? 1 : 0
  role       = aws_iam_role.this[0].name
  policy_arn = aws_iam_policy.list[0].arn
}
